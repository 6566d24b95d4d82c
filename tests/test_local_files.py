from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from transforms import local_files


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_new_file_has_its_name_when_its_content_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "deep/er/a.bin", []

    def fsync(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        synced.append((Path(name).name, os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with local_files.create(str(path)) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert synced[0] == ("a.bin.new", 7, False)
    assert (synced[1][0], synced[1][2]) == ("er", True)
    assert _names(tmp_path) == ["a.bin"]


def test_an_older_file_stays_if_the_new_one_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with contextlib.suppress(ValueError), local_files.create(str(path)) as file:
        file.write(b"half")
        raise ValueError
    forgotten = local_files.create(str(path))
    forgotten.write(b"half")
    del forgotten
    assert (path.read_bytes(), _names(tmp_path)) == (b"old", ["a.bin"])


def test_a_disk_that_is_full_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = local_files.create(str(tmp_path / "a.bin"))
    file.write(b"content")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert (file.closed, _names(tmp_path)) == (True, [])
    file.close()
