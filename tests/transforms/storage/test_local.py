from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

import pytest

from transforms.storage import local


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
    with local.create(str(path)) as file:
        file.write(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert synced[0] == ("a.bin.new", 7, False)
    assert (synced[1][0], synced[1][2]) == ("er", True)
    assert _names(tmp_path) == ["a.bin"]


def test_an_older_file_stays_if_the_new_one_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with contextlib.suppress(ValueError), local.create(str(path)) as file:
        file.write(b"half")
        raise ValueError
    forgotten = local.create(str(path))
    forgotten.write(b"half")
    del forgotten
    assert (path.read_bytes(), _names(tmp_path)) == (b"old", ["a.bin"])


def test_a_disk_that_is_full_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    file = local.create(str(tmp_path / "a.bin"))
    file.write(b"content")
    with pytest.raises(OSError, match="No space left"):
        file.close()
    assert (file.closed, _names(tmp_path)) == (True, [])
    file.close()


def _read(path: Path, *, max_bytes: int = 1_000) -> bytes:
    return local.read(str(path), max_bytes=max_bytes, reserve=lambda _: None).data


@pytest.mark.parametrize(
    ("said", "given"), [(10, 1_000), (10, 3), (12, 1_000), (12, 3), (5, 1_000), (0, 1_000), (0, 3)]
)
def test_a_picture_is_read_to_its_end_whatever_its_system_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int, given: int
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"0123456789")
    read, fstat = os.read, os.fstat

    def other_size(descriptor: int) -> os.stat_result:
        fields = list(fstat(descriptor))
        fields[stat.ST_SIZE] = said
        return os.stat_result(fields)

    monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, given)))
    monkeypatch.setattr(os, "fstat", other_size)
    assert _read(path) == b"0123456789"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="one of Linux")
def test_a_file_of_the_system_that_says_nothing_of_its_size_is_bounded() -> None:
    with pytest.raises(OSError, match="the limit is 100") as raised:
        _read(Path("/proc/self/status"), max_bytes=100)
    assert raised.value.errno == errno.EFBIG


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counted in /proc")
def test_no_file_stays_open_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"0123456789")
    before = os.listdir("/proc/self/fd")
    assert _read(path) == b"0123456789"
    with pytest.raises(OSError, match="10 bytes, the limit is 9"):
        _read(path, max_bytes=9)
    with pytest.raises(OSError, match="not a regular file"):
        _read(tmp_path)
    assert os.listdir("/proc/self/fd") == before
