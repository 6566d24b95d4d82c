"""How the two sides talk: messages with their length before them, and files of shared memory.

The helper gets pickles, because it trusts the program. The program gets JSON and plain numbers: a
library that a picture has taken over could answer anything.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from collections.abc import Iterable

_LENGTH = struct.Struct("!Q")

MOST_ANSWER = 64 * 1024
"""Bytes of an answer without its array."""


def send(to: socket.socket, message: bytes) -> None:
    """Sends a message.

    Raises:
        OSError: the other side is gone.
    """
    to.sendall(_LENGTH.pack(len(message)))
    to.sendall(message)


def receive(of: socket.socket) -> bytes:
    """Waits for a message.

    Raises:
        ConnectionError: the other side is gone.
    """
    (size,) = _LENGTH.unpack(_exactly(of, _LENGTH.size))
    return bytes(_exactly(of, size))


def send_with_file(to: socket.socket, message: bytes, file: int) -> None:
    """Sends a message and an open file."""
    socket.send_fds(to, [_LENGTH.pack(len(message))], [file])
    to.sendall(message)


def receive_with_files(of: socket.socket) -> tuple[bytes, list[int]]:
    """Waits for a message and the files that come with it, at most one; the caller closes them.

    Raises:
        ConnectionError: the other side is gone, or has sent what no message is.
    """
    head, files, _, _ = socket.recv_fds(of, _LENGTH.size, 1)
    try:
        if len(head) < _LENGTH.size:
            head += bytes(_exactly(of, _LENGTH.size - len(head)))
        (size,) = _LENGTH.unpack(head)
        if size > MOST_ANSWER:
            raise ConnectionError(f"a message of {size} bytes")
        return bytes(_exactly(of, size)), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def _exactly(of: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = of.recv_into(view)
        if not got:
            raise ConnectionError("the other side is gone")
        view = view[got:]
    return data


def shared_file(contents: Iterable[memoryview]) -> int:
    """A file without a name that holds these bytes, in memory where the system can do that."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("quantlabel")
    else:
        file, name = tempfile.mkstemp()
        os.unlink(name)
    for content in contents:
        left = content
        while left:
            left = left[os.write(file, left) :]
    return file
