"""Streams over bytes that are given out a span at a time, and how often that happens."""

from __future__ import annotations

import io
import os

import pytest

from transforms.storage.streams import stream

CONTENT = bytes(range(256)) * 100


class Storage:
    """Gives out spans of `CONTENT` and notes which."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def span(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return CONTENT[start : start + length]


@pytest.fixture
def storage() -> Storage:
    return Storage()


def test_a_whole_file_is_read_chunk_by_chunk(storage: Storage) -> None:
    assert stream(storage.span, 25_600, chunk=10_000).read() == CONTENT
    assert storage.asked == [(0, 10_000), (10_000, 10_000), (20_000, 5_600)]


def test_lines_of_text_take_a_chunk_at_a_time(storage: Storage) -> None:
    text = io.TextIOWrapper(stream(storage.span, 25_600, chunk=20_000), "latin-1", newline="\n")
    assert sum(1 for _ in text) == 101
    assert storage.asked == [(0, 20_000), (20_000, 5_600)]


def test_small_reads_are_served_from_what_is_held(storage: Storage) -> None:
    file = stream(storage.span, 25_600, chunk=10_000)
    assert [file.read(3), file.read(4)] == [CONTENT[:3], CONTENT[3:7]]
    assert storage.asked == [(0, 10_000)]


def test_it_seeks_from_either_end(storage: Storage) -> None:
    file = stream(storage.span, 25_600, chunk=16)
    assert file.seek(-6, os.SEEK_END) == 25_594
    assert file.read() == CONTENT[-6:]
    assert file.seek(300) == 300
    assert file.seek(2, os.SEEK_CUR) == 302
    assert file.read(2) == bytes([46, 47])


def test_behind_the_end_there_is_nothing(storage: Storage) -> None:
    file = stream(storage.span, 25_600, chunk=16)
    file.seek(30_000)
    assert file.read(5) == b""
    assert storage.asked == []
