from __future__ import annotations

import gzip
import io
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import unprivileged
from transforms.errors import UserError
from transforms.inputs.listing import list_input, nothing_matched
from transforms.inputs.skips import Listed, Note, Skipped
from transforms.records import Failure, ImageRef


def _touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _uris(listed: Iterable[Listed]) -> list[str]:
    return sorted(item.uri for item in listed if isinstance(item, ImageRef))


def test_folder_yields_pictures_of_every_level_and_counts_the_rest(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "sub/deep/b.PNG", tmp_path / "truth.csv")
    listed = list(list_input(str(tmp_path)))
    assert _uris(listed) == [str(tmp_path / "a.jpg"), str(tmp_path / "sub/deep/b.PNG")]
    assert [item for item in listed if isinstance(item, Skipped)] == [
        Skipped(str(tmp_path / "truth.csv"), "text")
    ]


@pytest.mark.parametrize(
    "extension",
    [
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "mpo",
        "png",
        "webp",
        "gif",
        "tif",
        "tiff",
        "bmp",
        "dib",
        "JPEG",
    ],
)
def test_folder_takes_every_image_extension(tmp_path: Path, extension: str) -> None:
    _touch(tmp_path / f"a.{extension}")
    assert _uris(list_input(str(tmp_path))) == [str(tmp_path / f"a.{extension}")]


def test_relative_input_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "photos/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert _uris(list_input("./photos/../photos")) == [str(tmp_path / "photos/a.jpg")]


def test_dangling_link_is_a_picture_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert _uris(list_input(str(tmp_path))) == [str(tmp_path / "gone.jpg")]


def test_linked_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    _touch(tmp_path / "real/a.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/link").symlink_to(tmp_path / "real")
    (tmp_path / "real/loop").symlink_to(tmp_path / "photos")
    assert _uris(list_input(str(tmp_path / "photos"))) == [str(tmp_path / "photos/link/a.jpg")]


def test_unreadable_folder_is_one_failure(public_folder: Path) -> None:
    _touch(public_folder / "a.jpg", public_folder / "closed/b.jpg")
    (public_folder / "closed").chmod(0)
    with unprivileged():
        listed = list(list_input(str(public_folder)))
    failures = [item for item in listed if isinstance(item, Failure)]
    assert _uris(listed) == [str(public_folder / "a.jpg")]
    assert [(f.uri, f.stage, f.reason) for f in failures] == [
        (str(public_folder / "closed"), "read", "permission_denied")
    ]


def test_folder_that_vanishes_is_one_failure(tmp_path: Path) -> None:
    _touch(tmp_path / "sub/a.jpg")
    listing = list_input(str(tmp_path))
    (tmp_path / "sub/a.jpg").unlink()
    (tmp_path / "sub").rmdir()
    tmp_path.rmdir()
    assert [(f.uri, f.reason) for f in listing if isinstance(f, Failure)] == [
        (str(tmp_path), "not_found")
    ]


def test_glob_takes_every_match_whatever_its_extension(tmp_path: Path) -> None:
    _touch(tmp_path / "a.jpg", tmp_path / "sub/b.dat", tmp_path / "sub/deep/c")
    assert _uris(list_input(f"{tmp_path}/**/*")) == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "sub/b.dat"),
        str(tmp_path / "sub/deep/c"),
    ]
    assert _uris(list_input(f"{tmp_path}/sub/?.dat")) == [str(tmp_path / "sub/b.dat")]


def test_a_name_that_looks_like_a_glob_is_taken_as_it_is(tmp_path: Path) -> None:
    _touch(tmp_path / "a[1].jpg", tmp_path / "a1.jpg", tmp_path / "set*/b.jpg")
    assert _uris(list_input(str(tmp_path / "a[1].jpg"))) == [str(tmp_path / "a[1].jpg")]
    assert _uris(list_input(str(tmp_path / "set*"))) == [str(tmp_path / "set*/b.jpg")]


def test_single_file_needs_no_extension(tmp_path: Path) -> None:
    _touch(tmp_path / "picture")
    assert _uris(list_input(str(tmp_path / "picture"))) == [str(tmp_path / "picture")]


def test_text_manifest_is_relative_to_itself_and_skips_empty_lines(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_bytes("\ufeffa.jpg\r\n\n../b c.jpg\n/abs/é.png\ngs://bucket/d.jpg".encode())
    assert list(list_input(str(manifest))) == [
        ImageRef(str(tmp_path / "a.jpg")),
        ImageRef(str(tmp_path.parent / "b c.jpg")),
        ImageRef("/abs/é.png"),
        ImageRef("gs://bucket/d.jpg"),
    ]


def test_csv_manifest_carries_its_other_columns(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text('id,uri,note\n1,a.jpg,"two\nlines, ""quoted"""\n2,,none\n', "utf-8")
    ref, failure = list_input(str(manifest))
    assert isinstance(ref, ImageRef)
    assert ref.uri == str(tmp_path / "a.jpg")
    assert json.loads(ref.meta or "") == {"id": "1", "note": 'two\nlines, "quoted"'}
    assert failure == Failure(
        f"{manifest}#line 4",
        "read",
        "bad_manifest_row",
        "the row of the input list has no usable uri",
        False,
    )


def test_jsonl_manifest_reports_broken_lines_one_by_one(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"uri": "a.jpg", "n": 3}\n{"uri": \n\n[1]\n{"uri": 7}\n', "utf-8")
    listed = list(list_input(str(manifest)))
    assert listed[0] == ImageRef(str(tmp_path / "a.jpg"), '{"n": 3}')
    assert [item.uri for item in listed[1:] if isinstance(item, Failure)] == [
        f"{manifest}#line 2",
        f"{manifest}#line 4",
        f"{manifest}#line 5",
    ]


def test_parquet_manifest_has_json_meta_even_for_nan(tmp_path: Path) -> None:
    manifest = tmp_path / "list.parquet"
    table = pa.table({"uri": ["a.jpg", None], "weight": [float("nan"), 1.0]})
    pq.write_table(table, manifest)
    ref, failure = list_input(str(manifest))
    assert ref == ImageRef(str(tmp_path / "a.jpg"), '{"weight": null}')
    assert isinstance(failure, Failure)
    assert failure.uri == f"{manifest}#row 1"


def _no_rows() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"uri": pa.array([], pa.string())}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("list.csv", b"file,note\na,x\n", "no column 'uri' (found: file, note)"),
        ("list.csv", b"", "the input list is empty."),
        ("list.csv", b"uri,title\n", "the input list is empty. Expected a row for each picture."),
        ("list.csv.gz", gzip.compress(b"uri\n", mtime=0), "the input list is empty."),
        ("list.txt", b"\n\n", "the input list is empty."),
        ("list.txt", b"", "the input list is empty."),
        ("list.jsonl", b"", "the input list is empty."),
        ("list.json", b"", "the input list is empty."),
        ("list.json", b"[ ]", "the input list is empty."),
        ("list.parquet", _no_rows(), "the input list is empty."),
        ("list.parquet", b"", "Parquet file size is 0 bytes"),
        ("list.parquet", b"no parquet at all", "not a readable Parquet file"),
    ],
)
def test_unusable_manifest_is_the_users_error(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    manifest = tmp_path / name
    manifest.write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(list_input(str(manifest)))
    assert str(manifest) in str(raised.value)
    assert expected in str(raised.value)


@pytest.mark.parametrize("names", [("image", "thumb"), ("path", "url"), ("a", "path")])
def test_columns_of_pictures_are_no_names(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "two.parquet"
    jpeg = b"\xff\xd8\xff\xe0\x00\x10JFIF"
    pq.write_table(pa.table({name: [jpeg] for name in names}), path)
    expected = f"{path}: several columns hold pictures: {names[0]}, {names[1]}; --image-key"
    with pytest.raises(UserError, match=re.escape(expected)):
        list(list_input(str(path)))
    assert list(list_input(str(path), image_key=names[1])) == [ImageRef(str(path))]


def test_column_of_names_beside_one_of_bytes_that_are_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({"path": ["a.jpg"], "hash": [b"0123"]}), path)
    note, ref = list_input(str(path))
    assert note == Note(str(path), "column 'path' as the uri")
    assert isinstance(ref, ImageRef)
    assert ref.uri == str(tmp_path / "a.jpg")


@pytest.mark.parametrize("source", ["/no/such/folder", "no-such.jpg"])
def test_nothing_there_repeats_the_pattern(source: str) -> None:
    with pytest.raises(UserError, match=f"--input {source}: nothing matched"):
        list_input(source)


def test_manifest_takes_names_that_are_not_utf8(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_bytes(b"caf\xe9.jpg\n")
    (ref,) = list_input(str(manifest))
    assert isinstance(ref, ImageRef)
    assert os.fsencode(ref.uri) == os.fsencode(str(tmp_path)) + b"/caf\xe9.jpg"


def test_half_a_character_costs_a_row_and_not_the_run(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"uri": "a\\ud800.jpg"}\n{"uri": "b.jpg", "note": "x\\ud800y"}\n', "utf-8")
    bad, good = list_input(str(manifest))
    assert isinstance(bad, Failure)
    assert (bad.uri, bad.reason) == (f"{manifest}#line 1", "bad_manifest_row")
    assert isinstance(good, ImageRef)
    assert json.loads((good.meta or "").encode("utf-8"))["note"] == "x\N{REPLACEMENT CHARACTER}y"


def test_columns_that_are_not_utf8_are_carried_as_far_as_they_go(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_bytes(b"uri,note\na.jpg,caf\xe9\n")
    (ref,) = list_input(str(manifest))
    assert isinstance(ref, ImageRef)
    assert json.loads((ref.meta or "").encode("utf-8")) == {"note": "caf\N{REPLACEMENT CHARACTER}"}


def _found_at(source: str) -> list[str]:
    return [item.uri for item in list_input(source) if isinstance(item, ImageRef)]


def test_braces_stand_for_several_inputs(tmp_path: Path) -> None:
    for name in ("x-000.tar", "x-002.tar", "a/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    # One that is missing is a row, which says so when it is read.
    expected = [f"{tmp_path}/x-{number:03d}.tar" for number in range(3)]
    assert _found_at(f"{tmp_path}/x-{{000..002}}.tar") == expected
    assert _found_at(f"{tmp_path}/{{a,b}}") == [f"{tmp_path}/a/1.jpg", f"{tmp_path}/b/2.jpg"]
    assert _found_at(f"{tmp_path}/{{a,b,c}}/*.jpg") == [
        f"{tmp_path}/a/1.jpg",
        f"{tmp_path}/b/2.jpg",
    ]
    with pytest.raises(UserError, match="nothing matched"):
        list_input(f"{tmp_path}/y-{{0..3}}.tar")
    (tmp_path / "{a,b}.jpg").write_bytes(b"x")  # a file of that very name wins
    assert _found_at(f"{tmp_path}/{{a,b}}.jpg") == [f"{tmp_path}/{{a,b}}.jpg"]


def test_file_addresses_and_home_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/c.jpg").write_bytes(b"x")
    path = f"{tmp_path}/a b/c.jpg"
    of_files = [f"{start}{tmp_path}/a%20b" for start in ("file://", "file:", "File://localhost")]
    for source in ("~/a b", *of_files, f"{of_files[0]}/*.jpg"):
        assert _found_at(source) == [path]
    lines = ["~/a b/c.jpg", "a b//c.jpg", *(f"{folder}/c.jpg" for folder in of_files)]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    assert _found_at("~/l.txt") == [path] * 5
    (tmp_path / "l.txt").write_text("file://host/c.jpg")
    assert _found_at("~/l.txt") == ["file://host/c.jpg"]


def test_a_pattern_in_a_folder_with_brackets_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "trip [2024]").mkdir()
    (tmp_path / "trip [2024]/a.jpg").write_bytes(b"x")
    source = f"{tmp_path}/trip [2024]/*.jpg"
    assert list(list_input(source)) == []
    hint = str(nothing_matched(source)).partition("Write '")[2].rpartition("'.")[0]
    assert hint == f"{tmp_path}/trip [[]2024]/*.jpg"
    assert _found_at(hint) == [f"{tmp_path}/trip [2024]/a.jpg"]
