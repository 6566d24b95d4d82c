"""`python -m deploy.flink`: a Flink cluster on this machine, for one run or until Ctrl-C."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.flink.cluster import Cluster
from pipeline.cli import main as quantlabel
from transforms.errors import UserError

_USAGE = """usage: python -m deploy.flink                    keep a cluster up until Ctrl-C
       python -m deploy.flink label FLAG ...     quantlabel label on a cluster, then stop it

Starts a JobManager, two TaskManagers and Beam's job server on free ports of this machine, with a
Python worker process for each TaskManager. Needs Java 17 and Maven; the first start downloads
150 MB into the user's cache folder.
"""


def main(argv: Sequence[str]) -> int:
    """Runs one command; the exit status is that of `quantlabel`."""
    if argv and argv[0] != "label":
        print(_USAGE, end="", file=sys.stderr)
        return 0 if argv[0] in ("-h", "--help") else 2
    folder = Path(tempfile.mkdtemp(prefix="quantlabel-flink-"))
    print(f"Starting Flink; its logs are in {folder}", file=sys.stderr)
    try:
        with Cluster(folder) as cluster:
            status = quantlabel([*argv, *cluster.beam_flags]) if argv else _hold(cluster)
    except UserError as error:
        print(f"deploy.flink: {error}", file=sys.stderr)
        return error.exit_status
    if status == 0:
        shutil.rmtree(folder)
    return status


def _hold(cluster: Cluster) -> int:
    print(f"Flink is up: {cluster.address}. Run on it, from another terminal, with")
    print(f"  quantlabel label ... {shlex.join(cluster.beam_flags)}")
    print("Ctrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
