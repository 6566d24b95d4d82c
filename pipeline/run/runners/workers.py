"""Worker processes of this machine: what they import, and that a run fails when one dies."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pipeline
from transforms import beam_internals

_DIED = (
    "a worker process has died, as happens when memory is short. Try fewer workers "
    "(--direct_num_workers) or a smaller --memory"
)

# What Beam says where it waits for rows of a worker that has died.
_CLOSED = "Channel closed prematurely"


def set_up() -> None:
    """Makes Beam's runner in this process start workers from here and notice those that die."""
    beam_internals.start_worker_processes(_command(), died=_DIED)


def explanation(error: Exception) -> str | None:
    """What to tell a user if a worker has died, else None."""
    return _DIED if _DIED in str(error) or _CLOSED in str(error) else None


def _command() -> bytes:
    """Starts a worker, in a shell.

    Beam's own command takes the working folder for a place of modules, so that a `transforms.py` of
    the user's would be imported for ours, and breaks where the interpreter's path has a space.
    """
    words = (sys.executable, "-P", "-m", "apache_beam.runners.worker.sdk_worker_main")
    command = shlex.join(words)
    home = Path(pipeline.__file__).resolve().parent.parent
    if Path(sys.path[0]).resolve() == home:
        # A checkout that may be installed nowhere: `python -m pipeline` in its folder.
        command = f"env PYTHONPATH={shlex.quote(str(home))}${{PYTHONPATH:+:$PYTHONPATH}} {command}"
    return command.encode()
