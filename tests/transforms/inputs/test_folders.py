"""Folders and globs: whatever lies there is a reference, a failure or a skip with a name."""

from __future__ import annotations

import collections
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import unprivileged
from transforms.errors import UserError
from transforms.inputs.listing import list_input
from transforms.inputs.skips import Note, Skipped
from transforms.records import Failure
from transforms.rows.marker import mark

PNG = b"\x89PNG\r\n\x1a\n"


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _outcomes(source: Path | str, folder: Path, *, image_key: str | None = None) -> dict[str, str]:
    """What became of each file, by its path below a folder; each once."""
    outcomes = {}
    for item in list_input(str(source), image_key=image_key):
        path = item.path if isinstance(item, Skipped | Note) else item.uri
        name = os.path.relpath(path, folder)
        assert name not in outcomes
        outcomes[name] = "picture"
        if isinstance(item, Skipped):
            outcomes[name] = item.kind
        elif isinstance(item, Failure):
            outcomes[name] = f"failed: {item.reason}"
    return outcomes


def test_links_that_lead_nowhere_are_one_failure_each(public_folder: Path) -> None:
    _touch(public_folder, "a.jpg", "closed/b/c.jpg")
    (public_folder / "self").symlink_to("self")
    (public_folder / "self.jpg").symlink_to("self.jpg")
    (public_folder / "into").symlink_to("closed/b")
    (public_folder / "closed").chmod(0)
    with unprivileged():
        for source in (public_folder, f"{public_folder}/**"):
            assert _outcomes(source, public_folder) == {
                "a.jpg": "picture",
                "self": "failed: not_found",
                "self.jpg": "failed: not_found",
                "closed": "failed: permission_denied",
                "into": "failed: permission_denied",
            }


@pytest.fixture
def deep_folder(tmp_path: Path) -> Iterator[Path]:
    """A picture below 1,200 folders, which pytest itself could not remove."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("a.jpg", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    yield tmp_path
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_a_tree_deeper_than_calls_may_nest(deep_folder: Path) -> None:
    assert list(_outcomes(deep_folder, deep_folder)) == ["d/" * 1200 + "a.jpg"]


def test_folders_full_of_links_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    for n in range(12):
        _touch(tmp_path, f"{n}/{n}.jpg")
        for other in range(12):
            (tmp_path / f"{n}/to{other}").symlink_to(f"../{other}")
    outcomes = collections.Counter(_outcomes(tmp_path, tmp_path).values())
    assert outcomes["picture"] == 12 * 17  # under its own path, and by 16 links
    assert set(outcomes) == {"picture", "linked_again"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: socket.socket(socket.AF_UNIX).bind(path)])
def test_what_is_no_file_is_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: collections.abc.Callable[[str], None]
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    for name in ("x.parquet", "_MANIFEST.json", "_QUANTLABEL.json", "x.jpg"):
        make(name)
    expected = {"x.parquet": "picture", "x.jpg": "picture"}  # the failure comes with the reading
    texts = {"_MANIFEST.json": "text", "_QUANTLABEL.json": "text"}
    assert _outcomes(tmp_path, tmp_path) == {**expected, **texts}
    for name in ("l.csv", "l.txt", "l.jsonl", "l.parquet"):
        make(name)
        with pytest.raises(UserError, match="not a regular file"):
            list(list_input(str(tmp_path / name)))


def test_a_glob_reports_what_it_may_not_list(public_folder: Path) -> None:
    _touch(public_folder, "a.jpg", "closed/b.jpg", "open/c.jpg", "open/deep/d.jpg")
    (public_folder / "closed").chmod(0)
    denied = {"closed": "failed: permission_denied"}
    c, d = {"open/c.jpg": "picture"}, {"open/deep/d.jpg": "picture"}
    with unprivileged():
        everything = {"a.jpg": "picture", **c, **d, **denied}
        assert _outcomes(f"{public_folder}/**/*.jpg", public_folder) == everything
        assert _outcomes(f"{public_folder}/*/*.jpg", public_folder) == {**c, **denied}
        assert _outcomes(f"{public_folder}/o*/**/*.jpg", public_folder) == {**c, **d}
        assert _outcomes(f"{public_folder}/*.jpg", public_folder) == {"a.jpg": "picture"}


def test_a_glob_follows_no_link_that_leads_back(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg")
    (tmp_path / "back").symlink_to(".")
    assert _outcomes(f"{tmp_path}/**/*.jpg", tmp_path) == {"a.jpg": "picture"}


def test_a_glob_matches_as_pythons_own_does(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", ".b.jpg", "s/c.jpg", "s/t/d.jpg", ".h/e.jpg", "x[1]/f.jpg", "s/g")
    import glob

    for pattern in (
        *("*", "**", "**/*", "*/*", "**/*.jpg", "**/t/**", "**/**/*.jpg", "?.jpg", "[ab].jpg"),
        *(".*", ".h/*", "[!a]*/*", "x[[]1]/*", "*/t/*.jpg", "s/**/d.jpg", "**/.*", "a.jp*/x"),
    ):
        found = glob.glob(f"{tmp_path}/{pattern}", recursive=True)
        expected = {os.path.relpath(path, tmp_path) for path in found if os.path.isfile(path)}
        assert set(_outcomes(f"{tmp_path}/{pattern}", tmp_path)) == expected, pattern


def test_every_file_of_a_folder_has_a_kind(tmp_path: Path) -> None:
    _touch(tmp_path, "a.jpg", "b.HEIC", "c.avif", "d.jp2", "e.cr3", "f.psd", "g.7z", "h.tar.lz4")
    _touch(tmp_path, "i.tar", "train-00000-of-00002", ".hidden/j.jpg", "@eaDir/k.jpg", "._a.jpg")
    _touch(
        tmp_path, ".DS_Store", "Thumbs.db", "l.csv", "l.csv.gz", "m.mp4", "n", "o.jpg.gz", ".p.jpg"
    )
    expected = {
        **dict.fromkeys(["a.jpg", "b.HEIC", "c.avif", "d.jp2", "e.cr3", "f.psd"], "picture"),
        **dict.fromkeys(["g.7z", "h.tar.lz4", "o.jpg.gz", ".p.jpg"], "picture"),
        **dict.fromkeys(["i.tar", "train-00000-of-00002"], "picture"),
        **dict.fromkeys([".hidden", "@eaDir", "._a.jpg", ".DS_Store", "Thumbs.db"], "hidden"),
        "l.csv": "text",
        "l.csv.gz": "text",
        "m.mp4": "video",
        "n": "other",
    }
    assert _outcomes(tmp_path, tmp_path) == expected


def test_a_hidden_folder_that_is_the_input_is_searched(tmp_path: Path) -> None:
    _touch(tmp_path, ".photos/a.jpg")
    assert _outcomes(tmp_path / ".photos", tmp_path) == {".photos/a.jpg": "picture"}


def test_parquet_is_told_by_what_its_bytes_are(tmp_path: Path) -> None:
    columns = {
        "geometry.parquet": {"g": [b"\x01\x01\0\0\0" + bytes(16)] * 3},
        "two.parquet": {"a": [PNG], "b": [PNG]},
        "hashes.parquet": {"a": [b"\xab" * 32], "b": [b"\xcd" * 32]},
        "one.parquet": {"a": [b"?", PNG]},
        "damaged.parquet": {"image": [b"?"]},
        "table.parquet": {"n": [1]},
    }
    for name, values in columns.items():
        pq.write_table(pa.table(values), tmp_path / name)
    assert _outcomes(tmp_path, tmp_path) == {
        "geometry.parquet": "parquet",
        "two.parquet": "picture",  # the archive's failure names both
        "hashes.parquet": "parquet",
        "one.parquet": "picture",
        "damaged.parquet": "picture",
        "table.parquet": "parquet",
    }
    assert _outcomes(tmp_path, tmp_path, image_key="g")["geometry.parquet"] == "picture"


def test_a_manifest_hides_shards_and_no_pictures(tmp_path: Path) -> None:
    name = "predictions-00000-of-00001.tfrecord"
    _touch(tmp_path, "run/a.jpg", f"run/{name}", "theirs/a.jpg", "theirs/b.tar", "deep/a.jpg")
    files = {"files": [{"name": name}]}
    (tmp_path / "run/_MANIFEST.json").write_text(json.dumps(files), "utf-8")
    foreign = {"files": [{"name": "a.jpg"}, {"name": "b.tar"}, {"name": 7}, 3]}
    (tmp_path / "theirs/_MANIFEST.json").write_text(json.dumps(foreign), "utf-8")
    nested = '{"files": ' + "[" * 100_000 + "]" * 100_000 + "}"
    (tmp_path / "deep/_MANIFEST.json").write_text(nested, "utf-8")
    assert _outcomes(tmp_path, tmp_path) == {
        "run/a.jpg": "picture",
        f"run/{name}": "results",
        "run/_MANIFEST.json": "results",
        **dict.fromkeys(["theirs/a.jpg", "theirs/b.tar", "deep/a.jpg"], "picture"),
        **dict.fromkeys(["theirs/_MANIFEST.json", "deep/_MANIFEST.json"], "text"),
    }


def test_what_a_command_has_marked_is_no_input_and_what_lies_beside_it_is(tmp_path: Path) -> None:
    _touch(tmp_path, "moved/cat/1.jpg", "moved/mine.jpg", "moved/x.parquet")
    mark(str(tmp_path / "moved"), command="export", entries=["cat", "x.parquet"])
    for source in (tmp_path, f"{tmp_path}/**/*"):
        assert _outcomes(source, tmp_path) == {
            "moved/cat": "results",
            "moved/x.parquet": "results",
            "moved/_QUANTLABEL.json": "results",
            "moved/mine.jpg": "picture",
        }


def test_parquet_of_ours_is_known_without_its_folder(tmp_path: Path) -> None:
    metadata = {"quantlabel.version": "1.2.3"}
    table = pa.table({"image": [PNG]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    for source in (tmp_path, f"{tmp_path}/*.parquet"):
        assert set(_outcomes(source, tmp_path).values()) == {"results"}


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="this system has no /proc")
def test_what_the_system_shows_of_itself_as_files_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "tasks").symlink_to("/proc/self/task")
    (tmp_path / "kernel").symlink_to("/sys/kernel")
    assert sorted(list_input(str(tmp_path))) == [
        Skipped(str(tmp_path / name), "hidden") for name in ("kernel", "tasks")
    ]
