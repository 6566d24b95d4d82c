from __future__ import annotations

import io
from pathlib import Path

import pytest

from transforms.rows.tfrecord import DamagedRecordError, framed, records


def _read(content: bytes, *, max_bytes: int = 1000) -> list[bytes]:
    return list(records(io.BytesIO(content), max_bytes=max_bytes))


def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "file"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in (b"", b"one", bytes(range(256))):
            writer.write(record)
    assert _read(path.read_bytes()) == [b"", b"one", bytes(range(256))]


def test_damage_is_told_with_its_place() -> None:
    content = framed(b"first") + framed(b"second")
    assert _read(content) == [b"first", b"second"]
    for cut, message in ((22, "ends within the record at byte 21"), (-1, "ends within")):
        with pytest.raises(DamagedRecordError, match=message):
            _read(content[:cut])
    flipped = bytearray(content)
    flipped[34] ^= 1
    with pytest.raises(DamagedRecordError, match="wrong checksum of the record at byte 21"):
        _read(bytes(flipped))
    flipped = bytearray(content)
    flipped[0] ^= 1
    with pytest.raises(DamagedRecordError, match="wrong checksum of the length at byte 0"):
        _read(bytes(flipped))


def test_a_record_over_the_limit_is_not_read() -> None:
    with pytest.raises(DamagedRecordError, match="at byte 0 claims 7 bytes"):
        _read(framed(b"1234567"), max_bytes=6)
