"""What a cluster starts as a Python worker: Beam's harness in the interpreter that runs this file.

Beam's container image begins with a program called boot that asks the runner where to connect to,
unpacks staged files and starts the harness. Here everything is installed, so nothing is unpacked.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.portability.api import beam_provision_api_pb2_grpc as services
from apache_beam.runners.worker import sdk_worker_main
from google.protobuf import json_format


def main(argv: Sequence[str] | None = None) -> None:
    """Serves one process of the cluster until it hangs up; `argv` is as for Beam's boot."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--id", required=True)
    parser.add_argument("--provision_endpoint", required=True)
    known, _ = parser.parse_known_args(argv)
    info = _provision_info(known.provision_endpoint, worker=known.id)
    os.environ.update(
        WORKER_ID=known.id,
        CONTROL_API_SERVICE_DESCRIPTOR=str(info.control_endpoint),
        LOGGING_API_SERVICE_DESCRIPTOR=str(info.logging_endpoint),
        PIPELINE_OPTIONS=json_format.MessageToJson(info.pipeline_options),
        RUNNER_CAPABILITIES=" ".join(info.runner_capabilities),
    )
    sdk_worker_main.main([])


def _provision_info(endpoint: str, *, worker: str) -> provision.ProvisionInfo:
    with grpc.insecure_channel(endpoint) as channel:
        answer = services.ProvisionServiceStub(channel).GetProvisionInfo(
            provision.GetProvisionInfoRequest(), metadata=[("worker_id", worker)], timeout=60
        )
        return answer.info


if __name__ == "__main__":
    main()
