"""Labelling runs over archives, end to end, through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.console.progress_bar import Counts
from pipeline.run.folder import attempts
from pipeline.run.runners import progress
from tests.helpers.archives import write_archive, write_parquet, write_tar, write_tfrecord
from transforms.images.loader import Loader
from transforms.inputs.archives.kinds import ARCHIVE_KINDS, ArchiveKind
from transforms.records import ImageRef
from transforms.storage import files


def _label(output: Path, stand_in_file: Path, *words: object) -> dict[str, Any]:
    arguments = ["--output", output, "--model", stand_in_file, "--quiet", *words]
    assert main(["label", *map(str, arguments)]) == 0
    manifest: dict[str, Any] = json.loads((output / "_MANIFEST.json").read_text("utf-8"))
    return manifest


def _rows(folder: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table([str(path) for path in folder.glob("predictions-*.parquet")])
    rows = {row["uri"]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    return rows


def _failures(folder: Path) -> list[tuple[str, str]]:
    rows = [
        json.loads(line)
        for path in folder.glob("__failures/failures-*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    return sorted((row["uri"], row["reason"]) for row in rows)


def _counts(manifest: dict[str, Any]) -> list[int]:
    names = ("inputs", "predictions", "failures", "duplicates", "skipped")
    return [manifest[name] for name in names]


def _contents(photos: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(photos.iterdir())]


@pytest.fixture
def archives(photos: Path, tmp_path: Path) -> Path:
    """A folder with three archives of the pictures 0 to 2, 3 to 5 and 6 to 8, and picture 9."""
    folder = tmp_path / "archives"
    folder.mkdir()
    pictures = _contents(photos)
    tar = [
        (f"{n}.{extension}", content)
        for n in range(3)
        for extension, content in (("jpg", pictures[n]), ("cls", b"%d" % n))
    ]
    write_tar(folder / "a.tar", [*tar, ("empty.jpg", b""), ("notes.md", b"x")])
    write_tfrecord(
        folder / "b.tfrecord-00000-of-00001",
        [{"image/encoded": content} for content in pictures[3:6]],
    )
    write_parquet(folder / "c.parquet", {"jpg": pictures[6:9], "n": [6, 7, 8]})
    (folder / "9.jpg").write_bytes(pictures[9])
    return folder


def _members(folder: Path) -> list[str]:
    names = [f"a.tar#{n}.jpg" for n in range(3)]
    names += [f"b.tfrecord-00000-of-00001#{n}" for n in range(3)]
    names += [f"c.parquet#{n}" for n in range(3)]
    return [*(f"{folder}/{name}" for name in names), f"{folder}/9.jpg"]


def test_a_folder_of_shards_gives_the_rows_of_loose_files(
    photos: Path, archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    (archives / "notes.md").write_bytes(b"x")
    write_parquet(archives / "truth.parquet", {"uri": ["9.jpg"], "n": [9]})
    manifest = _label(tmp_path / "packed", stand_in_file, "--input", archives)
    assert _counts(manifest) == [11, 10, 1, 0, 3]
    assert _failures(tmp_path / "packed") == [(f"{archives}/a.tar#empty.jpg", "empty")]
    _label(tmp_path / "loose", stand_in_file, "--input", photos)
    packed, loose = _rows(tmp_path / "packed"), _rows(tmp_path / "loose")
    assert set(packed) == set(_members(archives))
    same = ("sha256", "width", "class_id", "top_scores", "embedding", "size")
    for member, (_, row) in zip(_members(archives), sorted(loose.items()), strict=True):
        assert [packed[member][name] for name in same] == [row[name] for name in same]
    assert packed[f"{archives}/a.tar#2.jpg"]["meta"] == '{"cls": 2}'
    assert packed[f"{archives}/c.parquet#2"]["meta"] == '{"n": 8}'
    version = str((archives / "a.tar").stat().st_mtime_ns)
    assert packed[f"{archives}/a.tar#2.jpg"]["version"] == version


def test_a_shard_is_read_once_however_often_it_is_named(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    listing = archives / "list.csv"
    listing.write_text("uri,split\na.tar,train\nc.parquet,test\n9.jpg,test\n", "utf-8")
    inputs = ["--input", listing, "--input", f"{archives}/*.tar", "--input", archives / "c.parquet"]
    manifest = _label(tmp_path / "out", stand_in_file, *inputs)
    assert _counts(manifest) == [8, 7, 1, 2, 1]
    metas = {uri: json.loads(row["meta"]) for uri, row in _rows(tmp_path / "out").items()}
    assert metas[f"{archives}/9.jpg"] == {"split": "test"}
    assert set(metas) == {uri for uri in _members(archives) if "tfrecord" not in uri}


def test_damaged_shards_cost_one_row_each(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    tar, records = archives / "a.tar", archives / "b.tfrecord-00000-of-00001"
    content = tar.read_bytes()
    tar.write_bytes(content[: content.index(b"1.jpg") + 600])
    flipped = bytearray(records.read_bytes())
    flipped[200] ^= 1
    records.write_bytes(flipped)
    (archives / "c.parquet").write_bytes(b"no parquet")
    manifest = _label(tmp_path / "out", stand_in_file, "--input", archives)
    assert _counts(manifest) == [7, 4, 3, 0, 0]
    assert manifest["failures_by_reason"] == {"damaged_shard": 3}
    damaged = [str(tar), f"{records}#0", f"{archives}/c.parquet"]
    assert _failures(tmp_path / "out") == [(uri, "damaged_shard") for uri in damaged]


def test_image_key_chooses_what_is_the_picture(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = _contents(photos)
    both = tmp_path / "both.parquet"
    write_parquet(both, {"uri": [f"{photos}/000000.jpg"], "a": pictures[1:2], "b": pictures[2:3]})
    records = tmp_path / "x.tfrecord"
    write_tfrecord(records, [{"b": pictures[3]}])
    inputs = ["--input", both, "--input", records, "--image-key", "b"]
    manifest = _label(tmp_path / "out", stand_in_file, *inputs)
    assert _counts(manifest) == [2, 2, 0, 0, 0]
    assert set(_rows(tmp_path / "out")) == {f"{both}#0", f"{records}#0"}
    manifest = _label(tmp_path / "plain", stand_in_file, "--input", both)
    assert set(_rows(tmp_path / "plain")) == {f"{photos}/000000.jpg"}
    write_parquet(both, {"a": pictures[1:2], "b": pictures[2:3]})
    assert (
        main(["label", "--input", str(both), "--output", "x", "--model", str(stand_in_file)]) == 1
    )
    assert f"{both}: several columns hold pictures: a, b; --image-key" in capsys.readouterr().err


def test_no_shard_is_left_to_be_read_at_the_end(
    archives: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (archives / "broken.parquet").write_bytes(b"no parquet")
    seen: list[Counts] = []

    @contextlib.contextmanager
    def reports(**_: object) -> Iterator[str]:
        folder = tmp_path / "reports"
        folder.mkdir()
        yield str(folder)
        seen.append(progress.read_counts(str(folder)))
        shutil.rmtree(folder)

    monkeypatch.setattr(progress, "reports", reports)
    named = _list(archives / "list.jsonl", [{"uri": "a.tar"}, {"uri": "c.parquet"}])
    inputs = ["--input", archives, "--input", named]
    _label(tmp_path / "out", stand_in_file, *inputs)
    (archives / "c.parquet").touch()
    _label(tmp_path / "out", stand_in_file, *inputs, "--resume")
    assert seen == [Counts(12, 10, 2), Counts(4, 3, 1)]


def test_two_processes_read_shards_alike(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    flags = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
    one = _label(tmp_path / "one", stand_in_file, "--input", archives)
    two = _label(tmp_path / "two", stand_in_file, "--input", archives, *flags)
    assert _counts(one) == _counts(two) == [11, 10, 1, 0, 1]
    assert _rows(tmp_path / "one") == _rows(tmp_path / "two")


def test_many_members_larger_than_what_may_wait_keep_their_rows(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transforms.images.load_and_preprocess._WAITING_BYTES", 3000)
    monkeypatch.setattr("transforms.images.load_and_preprocess._ROWS_A_TALLY", 50)
    content = _contents(photos)[0]
    write_tar(tmp_path / "x.tar", [(f"{number:03d}.jpg", content) for number in range(300)])
    manifest = _label(tmp_path / "out", stand_in_file, "--input", tmp_path / "x.tar")
    assert _counts(manifest) == [300, 300, 0, 0, 0]
    assert len(_rows(tmp_path / "out")) == 300


def test_nothing_is_extracted(
    photos: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _contents(photos)[0]
    inside, outside = tmp_path / "deep/inside", Path("/tmp/quantlabel-escaped.jpg")
    inside.mkdir(parents=True)
    # Two folders up from wherever names could count from is within what is searched below.
    for place in ("working/folder", "temporary/folder"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "working/folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary/folder"))
    names = ["../../escaped.jpg", str(outside), "a\n\x1b[31m.jpg"]
    write_tar(inside / "x.tar", [(name, content) for name in names])
    manifest = _label(tmp_path / "results/out", stand_in_file, "--input", inside / "x.tar")
    assert _counts(manifest) == [3, 3, 0, 0, 0]
    assert set(_rows(tmp_path / "results/out")) == {f"{inside}/x.tar#{name}" for name in names}
    assert list(tmp_path.rglob("*escaped.jpg")) == []
    assert not outside.exists()


def test_a_resumed_run_doubles_nothing_of_shards_that_are_damaged(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (archives / "c.parquet").write_bytes(b"no parquet")
    first = _label(out, stand_in_file, "--input", archives)
    rows, failures = _rows(out), _failures(out)
    again = _label(out, stand_in_file, "--input", archives, "--resume")
    assert _counts(first) == _counts(again) == [9, 7, 2, 0, 1]
    assert (_rows(out), _failures(out)) == (rows, failures)
    assert again["reused"] == 8  # not that of the broken archive: it may have been mended


def test_shards_in_a_bucket_give_the_rows_of_those_on_disk(
    cloud: Cloud, archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    whole = (archives / "a.tar").read_bytes()
    (archives / "cut.tar").write_bytes(whole[: whole.index(b"1.jpg") + 600])
    for path in archives.iterdir():
        cloud.put(f"archives/{path.name}", path.read_bytes())
    local = _label(tmp_path / "local", stand_in_file, "--input", archives)
    remote = _label(tmp_path / "remote", stand_in_file, "--input", "gs://bkt/archives")
    assert _counts(local) == _counts(remote) == [13, 11, 2, 0, 1]
    expected = {uri.replace(str(tmp_path), "gs://bkt") for uri in _rows(tmp_path / "local")}
    rows = _rows(tmp_path / "remote")
    assert set(rows) == expected
    assert {row["version"] for uri, row in rows.items() if "a.tar#" in uri} == {
        cloud.generation("archives/a.tar")
    }
    assert ("gs://bkt/archives/cut.tar", "damaged_shard") in _failures(tmp_path / "remote")


# ---- going on, and members by their names ---------------------------------------------------


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Uris in the order in which they are decoded."""
    uris: list[str] = []
    decode = Loader.decode

    def noted(self: Loader, ref: ImageRef, data: bytes, **kwargs: Any) -> Any:
        uris.append(ref.uri)
        return decode(self, ref, data, **kwargs)

    monkeypatch.setattr(Loader, "decode", noted)
    return uris


@pytest.mark.parametrize("kind", ARCHIVE_KINDS, ids=lambda kind: kind.extension)
def test_every_kind_is_labelled_resumed_and_verified(
    kind: ArchiveKind, photos: Path, stand_in_file: Path, tmp_path: Path, decoded: list[str]
) -> None:
    archive, output = tmp_path / "in" / f"x{kind.extension}", tmp_path / "out"
    archive.parent.mkdir()
    write_archive(archive, {path.name: path.read_bytes() for path in sorted(photos.iterdir())})
    manifest = _label(output, stand_in_file, "--input", archive.parent)
    assert _counts(manifest) == [10, 10, 0, 0, 0]
    assert len(decoded) == 10
    decoded.clear()
    (tmp_path / "in" / "new.jpg").write_bytes((photos / "000000.jpg").read_bytes())
    manifest = _label(output, stand_in_file, "--input", archive.parent, "--resume")
    assert (_counts(manifest), manifest["reused"]) == ([11, 11, 0, 0, 0], 10)
    assert decoded == [str(tmp_path / "in" / "new.jpg")]
    assert main(["verify", str(output), "--sample", "11"]) == 0


def _list(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_members_that_have_a_row_are_not_decoded_again(
    archives: Path, stand_in_file: Path, tmp_path: Path, decoded: list[str]
) -> None:
    out = tmp_path / "out"
    first = _label(out, stand_in_file, "--input", archives)
    before = _rows(out), _failures(out)
    assert sorted(decoded) == sorted([*_members(archives), f"{archives}/a.tar#empty.jpg"])
    decoded.clear()
    again = _label(out, stand_in_file, "--input", archives, "--resume")
    assert decoded == []
    assert (_rows(out), _failures(out)) == before
    assert _counts(again) == _counts(first) == [11, 10, 1, 0, 1]
    assert again["reused"] == 11


def _reads(cloud: Cloud, name: str) -> int:
    """Requests for the bytes of an archive; its listing may look at the end of Parquet."""
    found = cloud.count(rf"{re.escape(urllib.parse.quote(name, safe=''))}\?alt=media")
    cloud.requests.clear()
    return found


def test_a_shard_that_was_read_to_its_end_is_not_opened_again(
    cloud: Cloud,
    archives: Path,
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a run that died, after one that has finished, and after one that read nothing."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    for path in archives.iterdir():
        cloud.put(f"archives/{path.name}", path.read_bytes())
    out, inputs = tmp_path / "out", ("--input", "gs://bkt/archives")
    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        words = ["--output", str(out), "--model", str(stand_in_file), "--quiet", *inputs]
        assert main(["label", *words]) == 130
    assert _reads(cloud, "archives/a.tar") > 0
    manifests = [_label(out, stand_in_file, *inputs, "--resume") for _ in range(2)]
    assert _reads(cloud, "archives/a.tar") == 0
    whole = _label(tmp_path / "whole", stand_in_file, *inputs)
    for manifest in manifests:
        assert (_counts(manifest), manifest["reused"]) == (_counts(whole), 11)
        for name in ("skipped_by_kind", "read_as", "failures_by_reason"):
            assert manifest[name] == whole[name]
    assert (_rows(out), _failures(out)) == (
        _rows(tmp_path / "whole"),
        _failures(tmp_path / "whole"),
    )
    # Of a shard that lacks a row, that has changed, or of which nothing is known, nothing is taken.
    (out / "_ARCHIVES.jsonl").write_bytes(b"damaged")
    cloud.requests.clear()
    assert _counts(_label(out, stand_in_file, *inputs, "--resume")) == _counts(whole)
    assert _reads(cloud, "archives/a.tar") > 0
    whole_tar = (archives / "a.tar").read_bytes()
    cloud.put("archives/a.tar", whole_tar)
    assert _counts(_label(out, stand_in_file, *inputs, "--resume")) == _counts(whole)
    assert _reads(cloud, "archives/a.tar") > 0
    cloud.put("archives/a.tar", whole_tar[: whole_tar.index(b"1.jpg") + 600])
    broken = _label(out, stand_in_file, *inputs, "--resume")
    assert broken["failures_by_reason"] == {"damaged_shard": 1}
    cloud.requests.clear()
    _label(out, stand_in_file, *inputs, "--resume")
    assert _reads(cloud, "archives/a.tar") > 0  # one that is broken may be mended


def test_only_the_members_without_a_row_are_decoded(
    archives: Path, stand_in_file: Path, tmp_path: Path, decoded: list[str]
) -> None:
    some = _members(archives)[::2]
    out, whole = tmp_path / "out", tmp_path / "whole"
    _label(
        out, stand_in_file, "--input", _list(tmp_path / "some.jsonl", [{"uri": u} for u in some])
    )
    assert sorted(decoded) == sorted(some)
    decoded.clear()
    counts = _counts(_label(out, stand_in_file, "--input", archives, "--resume"))
    rest = {*_members(archives), f"{archives}/a.tar#empty.jpg"} - set(some)
    assert sorted(decoded) == sorted(rest)
    assert counts == _counts(_label(whole, stand_in_file, "--input", archives))
    assert (_rows(out), _failures(out)) == (_rows(whole), _failures(whole))


def test_a_shard_that_has_changed_is_labelled_anew(
    photos: Path, archives: Path, stand_in_file: Path, tmp_path: Path, decoded: list[str]
) -> None:
    out = tmp_path / "out"
    _label(out, stand_in_file, "--input", archives)
    decoded.clear()
    write_tar(
        archives / "a.tar", [("0.jpg", _contents(photos)[9]), ("new.jpg", _contents(photos)[1])]
    )
    again = _label(out, stand_in_file, "--input", archives, "--resume")
    assert sorted(decoded) == [f"{archives}/a.tar#0.jpg", f"{archives}/a.tar#new.jpg"]
    assert _counts(again) == [9, 9, 0, 0, 0]
    digests = {uri.rpartition("/")[2]: row["sha256"] for uri, row in _rows(out).items()}
    assert digests["a.tar#0.jpg"] == digests["9.jpg"]


@pytest.mark.parametrize(("listed", "members"), [("a.tar#1.jpg", 1), ("a.tar", 4)])
def test_what_a_listing_says_anew_needs_new_rows(
    listed: str,
    members: int,
    archives: Path,
    stand_in_file: Path,
    tmp_path: Path,
    decoded: list[str],
) -> None:
    out = tmp_path / "out"
    for who, count in (("ann", members), ("ann", 0), ("bob", members)):
        row = {"uri": f"{archives}/{listed}", "who": who}
        decoded.clear()
        manifest = _list(tmp_path / "list.jsonl", [row])
        _label(out, stand_in_file, "--input", manifest, "--resume")
        assert len(decoded) == count
        assert json.loads(_rows(out)[f"{archives}/a.tar#1.jpg"]["meta"]) == {"who": who, "cls": 1}


def test_members_can_be_listed_by_their_names(
    archives: Path, stand_in_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    open_versioned = files.open_versioned

    def noted(path: str) -> Any:
        if not path.endswith("_RUNNING.json"):  # the lock is looked at now and then
            opened.append(path.rpartition("/")[2])
        return open_versioned(path)

    monkeypatch.setattr(files, "open_versioned", noted)
    listed = [*_members(archives)[::-1], f"{archives}/a.tar#9.jpg", f"{archives}/b.tar#x.jpg"]
    rows = [{"uri": uri, "n": number} for number, uri in enumerate(listed)]
    counts = _counts(
        _label(tmp_path / "named", stand_in_file, "--input", _list(tmp_path / "l.jsonl", rows))
    )
    assert counts == [12, 10, 2, 0, 0]
    assert sorted(opened) == ["a.tar", "b.tar", "b.tfrecord-00000-of-00001", "c.parquet"]
    assert [reason for _, reason in _failures(tmp_path / "named")] == ["not_found", "not_found"]
    _label(tmp_path / "whole", stand_in_file, "--input", archives)
    found, whole = _rows(tmp_path / "named"), _rows(tmp_path / "whole")
    for number, uri in enumerate(listed[:10]):
        meta = {"n": number, **json.loads(whole[uri].pop("meta") or "{}")}
        assert json.loads(found[uri].pop("meta")) == meta
    assert found == whole


def test_a_member_that_is_listed_beside_its_shard_is_a_repetition(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    listed = _list(tmp_path / "list.jsonl", [{"uri": uri} for uri in _members(archives)])
    inputs = "--input", archives, "--input", listed
    assert _counts(_label(tmp_path / "out", stand_in_file, *inputs)) == [11, 10, 1, 10, 1]


def test_members_of_a_damaged_shard_share_its_reason(
    archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    content = (archives / "a.tar").read_bytes()
    (archives / "a.tar").write_bytes(content[: len(content) // 3])
    listed = _list(tmp_path / "list.jsonl", [{"uri": uri} for uri in _members(archives)])
    _label(tmp_path / "out", stand_in_file, "--input", listed)
    lost = _failures(tmp_path / "out")
    assert lost
    assert {reason for _, reason in lost} == {"damaged_shard"}
    assert sorted([*_rows(tmp_path / "out"), *(uri for uri, _ in lost)]) == sorted(
        _members(archives)
    )


def test_a_file_whose_name_looks_like_a_member_is_a_file(
    photos: Path, archives: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    picture = archives / "a.tar#0.jpg"
    picture.write_bytes(_contents(photos)[9])
    listed = _list(
        tmp_path / "list.jsonl", [{"uri": f"{archives}/{name}"} for name in ("9.jpg", picture.name)]
    )
    _label(tmp_path / "out", stand_in_file, "--input", listed)
    digests = {row["sha256"] for row in _rows(tmp_path / "out").values()}
    assert len(digests) == 1


def test_files_beside_the_shard_that_their_names_begin_with_are_files(
    photos: Path, archives: Path, stand_in_file: Path, tmp_path: Path, cloud: Cloud
) -> None:
    picture = _contents(photos)[9]
    (archives / "a.tar#mine.jpg").write_bytes(picture)
    cloud.put("s/a.tar", (archives / "a.tar").read_bytes())
    cloud.put("s/a.tar#mine.jpg", picture)
    for source, count in ((str(archives), 11), ("gs://bkt/s", 4)):
        out = tmp_path / f"out{count}"
        assert _counts(_label(out, stand_in_file, "--input", source))[1:4] == [count, 1, 0]
        assert _failures(out) == [(f"{source}/a.tar#empty.jpg", "empty")]
        assert f"{source}/a.tar#mine.jpg" in _rows(out)


def test_members_and_objects_with_such_names_in_a_bucket(
    photos: Path, archives: Path, stand_in_file: Path, tmp_path: Path, cloud: Cloud
) -> None:
    cloud.put("s/a.tar", (archives / "a.tar").read_bytes())
    cloud.put("s/b.tar#0.jpg", _contents(photos)[9])
    names = ["a.tar#0.jpg", "a.tar#2.jpg", "b.tar#0.jpg", "b.tar#1.jpg"]
    listed = _list(tmp_path / "l.jsonl", [{"uri": f"gs://bkt/s/{name}"} for name in names])
    out = tmp_path / "out"
    counts = _counts(_label(out, stand_in_file, "--input", listed))
    assert counts == [4, 3, 1, 0, 0]
    assert list(_rows(out)) == [f"gs://bkt/s/{name}" for name in names[:3]]
    assert _failures(out) == [("gs://bkt/s/b.tar#1.jpg", "not_found")]
    again = _label(out, stand_in_file, "--input", listed, "--resume")
    assert _counts(again) == counts
    assert again["reused"] >= 2


# ---- results among the pictures -------------------------------------------------------------


def test_results_in_a_folder_of_pictures_are_not_labelled(
    photos: Path, stand_in_file: Path
) -> None:
    out = photos / "labels"
    words = "--input", photos, "--format", "tfrecord", "--resume"
    assert _counts(_label(out, stand_in_file, *words))[:4] == [10, 10, 0, 0]
    results = ["__export/imagefolder/cat", "_unfinished-0123456789ab"]
    for name in (*results, "mine", "__export/mine", "_unfinished-shoot"):
        (out / name).mkdir(parents=True)
        shutil.copy(photos / "000000.jpg", out / name)
    assert _counts(_label(out, stand_in_file, *words))[:4] == [13, 13, 0, 0]


def test_rows_in_a_bucket_of_pictures_are_not_taken_for_pictures(
    photos: Path, stand_in_file: Path, tmp_path: Path, cloud: Cloud
) -> None:
    _label(tmp_path / "out", stand_in_file, "--input", photos, "--format", "tfrecord")
    (archive,) = (tmp_path / "out").glob("*.tfrecord")
    cloud.put("photos/a.jpg", (photos / "000000.jpg").read_bytes())
    cloud.put(f"photos/labels/{archive.name}", archive.read_bytes())
    manifest = _label(tmp_path / "again", stand_in_file, "--input", "gs://bkt/photos")
    assert _counts(manifest) == [1, 1, 0, 0, 1]
    example = f"gs://bkt/photos/labels/{archive.name}"
    assert manifest["skipped_by_kind"] == {"results": {"count": 1, "example": example}}


def test_an_image_key_that_the_first_records_lack_stops_the_run(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records: list[dict[str, Any]] = [{"jpeg": content} for content in _contents(photos)]
    words = ["label", "--output", tmp_path / "out", "--model", stand_in_file]
    words += ["--input", tmp_path / "a.tfrecord", "--image-key", "png"]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    assert main(list(map(str, words))) == 2
    assert "--image-key png: " in (said := capsys.readouterr().err)
    assert "There are: jpeg" in said
    assert not (tmp_path / "out").exists()
    write_tfrecord(tmp_path / "a.tfrecord", [*records[:2], {"png": _contents(photos)[0]}])
    assert main([*map(str, words), "--quiet", "--max-failure-rate", "1"]) == 0
    assert len(_failures(tmp_path / "out")) == 2


def test_pictures_of_img2dataset_are_turned_by_what_stands_beside_them(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    """It drops the EXIF data of what it encodes anew, and keeps them in the JSON."""
    with Image.open(photos / "000000.jpg") as image:
        picture = image.convert("RGB").resize((60, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    own, plain = io.BytesIO(), io.BytesIO()
    picture.save(own, "JPEG", quality=90, exif=exif)
    picture.save(plain, "JPEG", quality=90)
    said = json.dumps({"exif": json.dumps({"Image Orientation": "Rotated 90 CW"})}).encode()
    members = [("a.jpg", plain.getvalue()), ("a.json", said), ("b.jpg", own.getvalue())]
    write_tar(tmp_path / "x.tar", [*members, ("b.json", said), ("c.jpg", plain.getvalue())])
    _label(tmp_path / "out", stand_in_file, "--input", tmp_path / "x.tar")
    rows = {uri[-5]: row for uri, row in _rows(tmp_path / "out").items()}
    assert {name: (row["width"], row["height"]) for name, row in rows.items()} == {
        "a": (40, 60),
        "b": (40, 60),
        "c": (60, 40),
    }
    assert rows["a"]["embedding"] == rows["b"]["embedding"] != rows["c"]["embedding"]
    assert rows["a"]["sha256"] == rows["c"]["sha256"]  # of the file, as it is
    assert json.loads(rows["a"]["meta"])["orientation"] == 6
    assert "orientation" not in json.loads(rows["b"]["meta"])
    assert main(["verify", str(tmp_path / "out"), "--sample", "3"]) == 0
