"""Objects in Cloud Storage, against the emulator behind a proxy that fails as it is told to."""

from __future__ import annotations

import traceback

import pytest

from deploy.emulator import Cloud
from transforms.storage import files


def test_files_are_written_listed_moved_and_deleted(cloud: Cloud) -> None:
    folder = "gs://bkt/run[1]"  # not a pattern
    neighbour = cloud.put("run1/a", b"not ours")
    for name in ("a", "b", "sub/c"):
        files.write_bytes(files.join(folder, name), name.encode())
    assert files.names(folder) == ["a", "b", "sub"]
    files.move([(f"{folder}/a", f"{folder}/z"), (f"{folder}/sub/c", f"{folder}/b")])
    assert cloud.names("run[") == ["run[1]/b", "run[1]/z"]
    assert cloud.content("run[1]/b") == b"sub/c"
    files.delete([f"{folder}/z", f"{folder}/gone already"])
    assert files.names(folder) == ["b"]
    assert files.exists(f"{folder}/b")
    files.delete_tree(folder)
    assert not files.exists(f"{folder}/b")
    assert files.names(folder) == []
    assert files.exists(neighbour)


def test_a_file_whose_writing_fails_does_not_appear(cloud: Cloud) -> None:
    def write_half() -> None:
        with files.create("gs://bkt/a.bin") as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert cloud.names() == []


def test_an_error_of_an_upload_does_not_show_its_session(cloud: Cloud) -> None:
    cloud.fail("PUT .*upload_id=", 403)
    with pytest.raises(PermissionError) as raised:
        files.write_bytes("gs://bkt/a.bin", b"x")
    text = "".join(traceback.format_exception(raised.value))
    assert "permission denied" in text
    assert "upload_id" not in text
    assert cloud.count("upload_id") == 1
