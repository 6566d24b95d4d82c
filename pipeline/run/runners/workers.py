"""Worker processes of this machine: when one dies the run fails, where Beam may wait for ever."""

from __future__ import annotations

import threading
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    SubprocessSdkWorkerHandler,
    WorkerHandler,
)

_INTERVAL_S = 0.1

_DIED = (
    "a worker process has died, as happens when memory is short. Try fewer workers "
    "(--direct_num_workers) or a smaller --memory"
)

_CLOSED = "Channel closed prematurely"
"""What Beam says where it waits for rows of a worker that has died."""


def notice_deaths() -> None:
    """Makes Beam's runner in this process notice workers that die."""
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_Handler)


def explanation(error: Exception) -> str | None:
    """What to tell a user if a worker has died, else None."""
    return _DIED if _DIED in str(error) or _CLOSED in str(error) else None


class _Handler(SubprocessSdkWorkerHandler):  # type: ignore[misc]
    """Answers in the place of a worker that is gone."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._closing = threading.Event()

    def start_worker(self) -> None:
        super().start_worker()
        threading.Thread(target=self._stand_in, name="worker_stand_in", daemon=True).start()

    def _stand_in(self) -> None:
        self.worker_thread.join()  # until the process ends
        while not self._closing.wait(_INTERVAL_S):
            for request, future in list(self.control_conn._futures_by_id.items()):
                answer = beam_fn_api_pb2.InstructionResponse(instruction_id=request, error=_DIED)
                future.set(answer)

    def close(self) -> None:
        self._closing.set()
        super().close()
