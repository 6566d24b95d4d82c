"""What `python -m deploy.flink` and `python -m deploy.spark` do."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.local_cluster import LocalCluster
from pipeline.cli import main as quantlabel
from transforms.errors import UserError

_USAGE = """usage: python -m deploy.{name}                    keep a cluster up until Ctrl-C
       python -m deploy.{name} label FLAG ...     quantlabel label on a cluster, then stop it

Starts a cluster and Beam's job server on free ports of this machine. Needs Java 17 and Maven; the
first start downloads jars into the user's cache folder: deploy/{name}/README.md.
"""


def main(argv: Sequence[str], *, name: str, kind: type[LocalCluster]) -> int:
    """Runs one command; the exit status is that of `quantlabel`.

    Args:
        argv: without the program's name.
        name: of the cluster and of its folder in deploy.
        kind: what to start.
    """
    if argv and argv[0] != "label":
        print(_USAGE.format(name=name), end="", file=sys.stderr)
        return 0 if argv[0] in ("-h", "--help") else 2
    folder = Path(tempfile.mkdtemp(prefix=f"quantlabel-{name}-"))
    print(f"Starting {name}; its logs are in {folder}", file=sys.stderr)
    try:
        with kind(folder) as cluster:
            status = quantlabel([*argv, *cluster.beam_flags]) if argv else _hold(cluster)
    except UserError as error:
        print(f"deploy.{name}: {error}", file=sys.stderr)
        return error.exit_status
    if status == 0:
        shutil.rmtree(folder)
    return status


def _hold(cluster: LocalCluster) -> int:
    print(f"It is up: {cluster.address}. Run on it, from another terminal, with")
    print(f"  quantlabel label ... {shlex.join(cluster.beam_flags)}")
    print("Ctrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0
