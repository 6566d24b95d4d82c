"""Files that pass for models, for tests that never run one."""

from __future__ import annotations

import gzip
import io
import tarfile

from pipeline.cli import main

TFLITE = b"\x1c\0\0\0TFL3" + bytes(range(250)) * 4
"""1,008 bytes that begin like a tflite."""


OTHER_TFLITE = b"\x1c\0\0\0TFL3" + b"other"


def archive(*members: tuple[str, bytes]) -> bytes:
    """A gzipped tar file of `members`, the same bytes whenever it is made."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def model_command(*words: object) -> int:
    return main(["model", *map(str, words)])
