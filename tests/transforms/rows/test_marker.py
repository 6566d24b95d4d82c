from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from transforms._version import VERSION
from transforms.rows.marker import mark_files, staged
from transforms.storage import files


def test_a_marker_names_the_command_and_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "__evaluation").mkdir()
    mark_files(str(tmp_path), "__evaluation/b.json", "__evaluation/a.json", command="evaluate")
    assert json.loads((tmp_path / "__evaluation/_QUANTLABEL.json").read_bytes()) == {
        "quantlabel": VERSION,
        "command": "evaluate",
        "entries": ["a.json", "b.json"],
    }


def _write_until_full(place: Path) -> None:
    with staged(str(place), command="review", names=["a.csv"]) as staging:
        files.write_bytes(f"{staging}/a.csv", b"third")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _contents(place: Path, names: Iterable[str]) -> set[bytes]:
    return {(place / name).read_bytes() for name in names}


def test_what_is_staged_takes_its_place_together_or_not_at_all(tmp_path: Path) -> None:
    names = ("b/1", "b/2", "b.json", "a.csv")
    (tmp_path / "mine.txt").write_text("of the user", "utf-8")
    for content in ("first", "second"):
        with staged(
            str(tmp_path), command="review", names=["b.json", "a.csv"], folders=["b"]
        ) as staging:
            for name in names:
                files.write_bytes(f"{staging}/{name}", content.encode())
            there = sorted(os.listdir(tmp_path))
        assert (Path(staging).exists(), Path(staging).name in there) == (False, True)
        assert _contents(tmp_path, names) == {content.encode()}
    with pytest.raises(OSError, match="No space left"):
        _write_until_full(tmp_path)
    assert _contents(tmp_path, names) == {b"second"}
    expected = ["_QUANTLABEL.json", "a.csv", "b", "b.json", "mine.txt"]
    assert sorted(os.listdir(tmp_path)) == expected
    assert json.loads((tmp_path / "_QUANTLABEL.json").read_bytes())["entries"] == [
        *("a.csv", "b", "b.json"),
    ]
