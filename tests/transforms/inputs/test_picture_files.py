"""The bytes of one picture, or the reason why there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from transforms.failures import ImageError
from transforms.inputs.picture_files import read_bytes


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    assert read_bytes(str(tmp_path / "a.jpg"), max_bytes=3).data == b"abc"
    reasons = []
    for path, limit in (("a.jpg", 2), ("b.jpg", 3), (".", 3)):
        with pytest.raises(ImageError) as raised:
            read_bytes(str(tmp_path / path), max_bytes=limit)
        reasons.append(raised.value.reason.value)
    assert reasons == ["too_large_bytes", "not_found", "not_a_file"]
    with pytest.raises(ImageError) as raised:
        read_bytes("gopher://h/a.jpg", max_bytes=3)
    assert raised.value.reason.value == "unsupported_uri"


def test_a_name_as_our_rows_spell_it_says_why_it_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "\udce9.jpg").write_bytes(b"abc")
    for name, expected in (
        (r"\xe9.jpg", r"No such file or directory; \xNN stands for a byte in tables of quantlabel"),
        (r"\x41.jpg", "No such file or directory"),
    ):
        with pytest.raises(ImageError) as raised:
            read_bytes(str(tmp_path / name), max_bytes=3)
        assert raised.value.reason.value == "not_found"
        assert raised.value.message.partition(" only,")[0] == expected
