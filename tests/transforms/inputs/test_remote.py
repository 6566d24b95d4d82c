"""Inputs in Cloud Storage: folders, globs, manifests, objects."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.emulator import Cloud
from transforms.errors import UserError
from transforms.inputs import listing, remote
from transforms.inputs.listing import list_input, list_together, parts
from transforms.inputs.skips import Skipped
from transforms.records import Failure, ImageRef


def _uris(source: str) -> list[str]:
    """What is listed at once in parts, which must be what is listed in one."""
    found = [item for item in list_together(parts(source)) if isinstance(item, ImageRef)]
    whole = [item for item in list_input(source) if isinstance(item, ImageRef)]
    assert sorted(found) == sorted(whole)
    return sorted(item.uri.removeprefix("gs://bkt/") for item in found)


def _tree(cloud: Cloud) -> None:
    for name in ("a.jpg", "notes.md", "x/b.JPG", "x/y/c.png", "x/y/z/d.dat", "xy/e.jpg", "w/f.jpg"):
        cloud.put(f"d/{name}", name.encode())


def test_a_folder_yields_pictures_of_every_level_with_size_and_generation(cloud: Cloud) -> None:
    _tree(cloud)
    cloud.put("d/empty/", b"")  # what the console makes for a folder
    for source in ("gs://bkt/d", "gs://bkt/d/"):
        assert _uris(source) == ["d/a.jpg", "d/w/f.jpg", "d/x/b.JPG", "d/x/y/c.png", "d/xy/e.jpg"]
    listed = list(list_together(parts("gs://bkt/d/x")))
    assert (
        ImageRef("gs://bkt/d/x/b.JPG", size=len("x/b.JPG"), version=cloud.generation("d/x/b.JPG"))
        in listed
    )
    assert [item for item in listed if isinstance(item, Skipped)] == [
        Skipped("gs://bkt/d/x/y/z/d.dat", "data")
    ]


def test_a_whole_bucket_is_a_folder(cloud: Cloud) -> None:
    cloud.put("a.jpg", b"x")
    cloud.put("d/b.jpg", b"x")
    assert _uris("gs://bkt") == _uris("gs://bkt/") == ["a.jpg", "d/b.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d/*.jpg", ["d/a.jpg"]),
        ("d/*", ["d/a.jpg", "d/notes.md"]),
        ("d/*/*", ["d/w/f.jpg", "d/x/b.JPG", "d/xy/e.jpg"]),
        ("d/**/*.jpg", ["d/a.jpg", "d/w/f.jpg", "d/xy/e.jpg"]),
        ("d/x/**", ["d/x/b.JPG", "d/x/y/c.png", "d/x/y/z/d.dat"]),
        ("d/x*/?.[Jj]*", ["d/x/b.JPG", "d/xy/e.jpg"]),
        ("d/[!x]*/f.jpg", ["d/w/f.jpg"]),
        ("d/x/y/[a-c].png", ["d/x/y/c.png"]),
    ],
)
def test_a_glob_takes_every_match_whatever_its_extension(
    cloud: Cloud, pattern: str, expected: list[str]
) -> None:
    _tree(cloud)
    assert _uris(f"gs://bkt/{pattern}") == expected


def test_a_glob_of_one_level_does_not_list_what_is_below(cloud: Cloud) -> None:
    _tree(cloud)
    list(list_input("gs://bkt/d/*.jpg"))
    assert cloud.count(r"/o\?.*prefix=d%2F&delimiter=%2F") == 1
    assert cloud.count(r"/o\?") == 1


def test_a_name_that_looks_like_a_glob_is_taken_as_it_is(cloud: Cloud) -> None:
    cloud.put("a[1].jpg", b"x")
    cloud.put("a1.jpg", b"x")
    assert [item.uri for item in list_input("gs://bkt/a[1].jpg") if isinstance(item, ImageRef)] == [
        "gs://bkt/a[1].jpg"
    ]


def test_every_object_is_listed_once_where_folders_split_the_listing(cloud: Cloud) -> None:
    names = [f"t/{n % 7:02d}/{n:03d}.jpg" for n in range(100)]
    names += [f"t/{n:02d}-beside.jpg" for n in range(5)]
    for name in names:
        cloud.put(name, b"x")
    cloud.page = 10
    found = parts("gs://bkt/t")
    assert [(part.start, part.end) for part in found] == [
        (None, "t/01/"),
        *((f"t/{n:02d}/", f"t/{n + 1:02d}/") for n in range(1, 6)),
        ("t/06/", None),
    ]
    cloud.requests.clear()
    uris = [item.uri for item in list_together(found) if isinstance(item, ImageRef)]
    assert sorted(uris) == sorted(f"gs://bkt/{name}" for name in names)
    assert cloud.count(r"/o\?") <= sum(-(-16 // 10) + 1 for _ in range(7))


def test_a_lone_folder_is_looked_into_for_places_to_split(cloud: Cloud) -> None:
    for name in ("d/images/a/1.jpg", "d/images/b/2.jpg", "d/readme.txt"):
        cloud.put(name, b"x")
    assert [part.start for part in parts("gs://bkt/d")] == [None, "d/images/b/"]
    assert _uris("gs://bkt/d") == ["d/images/a/1.jpg", "d/images/b/2.jpg"]


def test_many_folders_share_parts(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_MOST_PARTS", 4)
    names = [f"d/{n:02d}/a.jpg" for n in range(19)]
    for name in names:
        cloud.put(name, b"x")
    assert len(parts("gs://bkt/d")) == 4
    assert _uris("gs://bkt/d") == names


def test_a_flat_folder_is_not_listed_twice(cloud: Cloud) -> None:
    for number in range(50):
        cloud.put(f"d/{number:02d}.jpg", b"x")
    cloud.page = 10
    assert len(list(list_together(parts("gs://bkt/d")))) == 50
    assert cloud.count(r"/o\?") == 1 + 5  # one look for folders


def test_the_first_picture_is_there_after_one_page(cloud: Cloud) -> None:
    for number in range(50):
        cloud.put(f"d/{number:02d}.jpg", b"x")
    cloud.page = 10
    next(list_input("gs://bkt/d"))
    assert cloud.count(r"/o\?") == 1


def test_a_manifest_in_a_bucket_is_relative_to_itself(cloud: Cloud) -> None:
    text = "a.jpg\n\n../b c.jpg\ngs://other/d.jpg\n/local/e.png\ns3://b/f.jpg\n"
    assert list(list_input(cloud.put("m/n/list.txt", text.encode()))) == [
        ImageRef("gs://bkt/m/n/a.jpg"),
        ImageRef("gs://bkt/m/b c.jpg"),
        ImageRef("gs://other/d.jpg"),
        ImageRef("/local/e.png"),
        ImageRef("s3://b/f.jpg"),
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_of_every_kind_are_streamed_from_a_bucket(
    cloud: Cloud, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / f"list.{kind}"
    if kind == "csv":
        file.write_text("n,uri\n1,a.jpg\n", "utf-8")
    elif kind == "jsonl":
        file.write_text('{"uri": "a.jpg", "n": "1"}\n', "utf-8")
    else:
        pq.write_table(pa.table({"uri": ["a.jpg"], "n": ["1"]}), file)
    uri = cloud.put(f"m/list.{kind}", file.read_bytes())
    assert list(list_input(uri)) == [ImageRef("gs://bkt/m/a.jpg", '{"n": "1"}')]


def test_a_manifest_without_the_column_is_the_users_error(cloud: Cloud) -> None:
    uri = cloud.put("list.csv", b"file\na\n")
    with pytest.raises(UserError, match=f"{uri}: the input list has no column 'uri'"):
        list(list_input(uri))


def test_a_signed_url_in_a_manifest_loses_its_secret_at_once(tmp_path: Path) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_text("https://user:pw@host/a.jpg?X-Goog-Signature=5ec2e7&b#c\n", "utf-8")
    (ref,) = list_input(str(manifest))
    assert ref == ImageRef("https://user:***@host/a.jpg?X-Goog-Signature=***a00db90b&b#c")


def test_a_bucket_that_is_not_there_is_named(cloud: Cloud) -> None:
    with pytest.raises(UserError, match="--input gs://no-such/a: no such bucket"):
        list(list_input("gs://no-such/a"))
    cloud.fail(r"/b/bkt/o\?", 403)
    with pytest.raises(UserError, match="--input gs://bkt/d: permission denied"):
        list(list_input("gs://bkt/d"))


def test_an_error_in_the_middle_of_a_listing_is_tried_again(cloud: Cloud) -> None:
    for number in range(30):
        cloud.put(f"d/{number:02d}.jpg", b"x")
    cloud.page = 10
    cloud.fail("pageToken", 503, times=1)
    cloud.fail("pageToken", "reset", times=1)
    assert len(list(list_input("gs://bkt/d"))) == 30


def test_no_more_parts_are_listed_at_once_than_said(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PARTS_AT_ONCE", 2)
    names = [f"d/{n:02d}/a.jpg" for n in range(9)]
    for name in names:
        cloud.put(name, b"x")
    assert _uris("gs://bkt/d") == names


def test_failures_of_manifest_rows_name_the_object(cloud: Cloud) -> None:
    uri = cloud.put("list.jsonl", b'{"uri": ""}\n')
    (failure,) = list_input(uri)
    assert isinstance(failure, Failure)
    assert failure.uri == f"{uri}#line 1"


def test_empty_folders_in_a_name_are_kept(cloud: Cloud) -> None:
    """In a bucket `a//b.jpg` is another object than `a/b.jpg`."""
    rows = "a//b.jpg\n./c.jpg\nd/../e.jpg\n../f//g.jpg\n/h.jpg\n"
    assert list(list_input(cloud.put("m/n/list.txt", rows.encode()))) == [
        ImageRef("gs://bkt/m/n/a//b.jpg"),
        ImageRef("gs://bkt/m/n/c.jpg"),
        ImageRef("gs://bkt/m/n/e.jpg"),
        ImageRef("gs://bkt/m/f//g.jpg"),
        ImageRef("/h.jpg"),
    ]


def test_braces_name_several_objects(cloud: Cloud) -> None:
    for name in ("s/x-00.tar", "s/x-01.tar", "t/a.jpg", "u/{a,b}.jpg"):
        cloud.put(name, b"x")
    assert [
        item.uri for item in list_input("gs://bkt/s/x-{00..01}.tar") if isinstance(item, ImageRef)
    ] == [
        "gs://bkt/s/x-00.tar",
        "gs://bkt/s/x-01.tar",
    ]
    assert [
        item.uri for item in list_input("gs://bkt/{t,u}/*.jpg") if isinstance(item, ImageRef)
    ] == [
        "gs://bkt/t/a.jpg",
        "gs://bkt/u/{a,b}.jpg",
    ]
    assert [
        item.uri for item in list_input("gs://bkt/u/{a,b}.jpg") if isinstance(item, ImageRef)
    ] == ["gs://bkt/u/{a,b}.jpg"]


def _marker(*entries: str) -> bytes:
    return json.dumps({"quantlabel": "0.2.0", "entries": entries}).encode()


@pytest.mark.parametrize("waiting", [0, 2, 1000])
def test_what_a_marker_lists_is_no_input(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    """Whether it comes before the pictures by name or behind them, and wherever it was moved."""
    monkeypatch.setattr(remote, "_WAITING", waiting)
    ours = ["moved/Ape/1.jpg", "moved/Ape/2.jpg", "moved/zoo/3.jpg", "x/9.jpg", "x/a.jpg"]
    theirs = ["Ape/1.jpg", "a.jpg", "moved/4.jpg", "moved/own/5.jpg", "x/b.jpg", "y/9.jpg"]
    for name in (*ours, *theirs):
        cloud.put(f"in/{name}", b"x")
    cloud.put("in/moved/_QUANTLABEL.json", _marker("Ape", "zoo"))
    cloud.put("in/x/_QUANTLABEL.json", _marker("9.jpg", "a.jpg"))
    cloud.put("in/y/_QUANTLABEL.json", b'{"entries": ["9.jpg"]}')  # somebody else's
    for split in (False, True):
        found = list(list_together(parts("gs://bkt/in", split=split)))
        assert sorted(item.uri for item in found if isinstance(item, ImageRef)) == [
            f"gs://bkt/in/{name}" for name in sorted(theirs)
        ]
        skipped = {item.path for item in found if isinstance(item, Skipped)}
        assert skipped >= {f"gs://bkt/in/{name}" for name in ours}
    assert [
        item.uri for item in list_input("gs://bkt/in/moved/**/*.jpg") if isinstance(item, ImageRef)
    ] == ["gs://bkt/in/moved/4.jpg", "gs://bkt/in/moved/own/5.jpg"]
    assert [item.uri for item in list_input("gs://bkt/in/x/9*") if isinstance(item, ImageRef)] == []


def test_many_objects_without_folders_are_split_by_the_beginnings_of_their_names(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FULL_PAGE", 10)
    cloud.page = 10
    names = sorted(["flat/.hidden", *(f"flat/IMG_{number:04d}.jpg" for number in range(200))])
    for name in names:
        cloud.put(name, b"x")
    cloud.requests.clear()
    found = parts("gs://bkt/flat")
    assert [part.start for part in found] == [
        None,
        *(f"flat/IMG_{number:03d}" for number in range(20)),
    ]
    assert len(cloud.requests) < 40
    assert _uris("gs://bkt/flat") == names[1:]


def test_a_few_pages_without_folders_stay_one_part(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FULL_PAGE", 10)
    cloud.page = 10
    for number in range(31):
        cloud.put(f"flat/{number:02d}.jpg", b"x")
    assert [(part.start, part.end) for part in parts("gs://bkt/flat")] == [(None, None)]
