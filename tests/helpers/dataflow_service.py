"""A stand-in for the Dataflow service: takes jobs over REST and runs the graph that they name."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

_STATES = {5: "JOB_STATE_CANCELLED"}
"""Of the API, `JobState`: what a client may ask for here."""

JOB = "2026-11-24_job"


def read_graph(path: str) -> beam_runner_api_pb2.Pipeline:
    """The staged pipeline, to be run in this process instead of in its container."""
    with FileSystems.open(path) as file:
        graph = beam_runner_api_pb2.Pipeline.FromString(file.read())
    for environment in graph.components.environments.values():
        environment.urn = python_urns.EMBEDDED_PYTHON
        environment.payload = b""
    return graph


class Service:
    """What was asked, and how the job stands.

    Attributes:
        url: for `--dataflow_endpoint`.
        jobs: bodies of the requests for a job.
        requests: `METHOD path` of each request, in order.
        state: of the job, as the API spells it.
        runs: whether a job is run; if not, it stays pending.
        counters: of the job, by name, as often as a step has one.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.jobs: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.state = "JOB_STATE_PENDING"
        self.runs = True
        self.counters: list[tuple[str, int]] = []

    def submit(self, job: dict[str, Any]) -> dict[str, Any]:
        """Starts a job."""
        self.jobs.append(job)
        if self.runs:
            threading.Thread(target=self._run, args=(job,), daemon=True).start()
        return self.described()

    def described(self) -> dict[str, Any]:
        """The job as the API returns it."""
        return {**self.jobs[-1], "id": JOB, "currentState": self.state}

    def _run(self, job: dict[str, Any]) -> None:
        self.state = "JOB_STATE_RUNNING"
        graph = read_graph(job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"])
        try:
            result = FnApiRunner().run_via_runner_api(graph, PipelineOptions([]))
            result.wait_until_finish()
            counters = result.metrics().query(MetricsFilter().with_namespace("quantlabel"))
            self.counters = [(c.key.metric.name, c.committed) for c in counters["counters"]]
            self.state = "JOB_STATE_DONE"
        finally:
            if self.state == "JOB_STATE_RUNNING":
                self.state = "JOB_STATE_FAILED"

    def messages(self) -> list[dict[str, Any]]:
        """What the real service says of a failed step: nothing that tells a user why."""
        if self.state != "JOB_STATE_FAILED":
            return []
        importance = {"id": "1", "messageImportance": "JOB_MESSAGE_ERROR"}
        return [importance | {"time": "2026-11-24T00:00:00Z", "messageText": "Workflow failed."}]

    def metrics(self) -> list[dict[str, Any]]:
        """Each counter twice, as the real service has them: what is certain, and the latest."""
        return [
            {
                "name": {
                    "origin": "user",
                    "name": name,
                    "context": {"namespace": "quantlabel", "step": f"s{step}", **tentative},
                },
                "scalar": value,
                "updateTime": "2026-11-24T00:00:00Z",
            }
            for step, (name, value) in enumerate(self.counters)
            for tentative in ({}, {"tentative": "true"})
        ]

    def answer(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """One request of the API."""
        self.requests.append(f"{method} {path}")
        if method == "POST" and path.endswith("/jobs"):
            return self.submit(body)
        if method == "PUT" and path.endswith(f"/jobs/{JOB}"):
            self.state = _STATES[body["requestedState"]]
        if path.endswith("/messages"):
            return {"jobMessages": self.messages()}
        if path.endswith("/metrics"):
            return {"metrics": self.metrics()}
        return self.described()


@contextlib.contextmanager
def run_service() -> Iterator[Service]:
    """Runs the service on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
            return

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = re.sub(r"\?.*", "", self.path)
            answer = service.answer(self.command, path, json.loads(body) if body else None)
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _handle  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        # Beam speaks REST only to a host of this name.
        service = Service(f"http://localhost:{httpd.server_port}")
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield service
        finally:
            httpd.shutdown()
