from __future__ import annotations

import pytest

from transforms.failures import ImageError, Reason
from transforms.inputs.file_types import member_kind, named_by, require_read, skip_kind


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.JPG", None),
        ("a.heic", None),
        ("a.tar", None),
        ("a.zip", None),
        ("a.jpg.gz", None),
        ("notes.md", "text"),
        ("a.csv.gz", "text"),
        ("a.mp4", "video"),
        ("a.unheard-of", "other"),
        ("a", "other"),
        (".git/a.jpg", "hidden"),
        ("__MACOSX/a.jpg", "hidden"),
        ("._a.jpg", "hidden"),
        ("Thumbs.db", "hidden"),
        (".p.jpg", None),
        ("a.jpg ", None),
        ("a.jpg.", None),
        ("a.jpeg?w=300", None),
        ("a.jpg.1", None),
        ("a.txt.1", "other"),
        ("a.cbt", None),
        ("a.svs", None),
        (".a.jpg.icloud", None),
        (".a.icloud", "hidden"),
        ("a.part", "other"),
        ("@Recycle/a.jpg", "hidden"),
        ("#snapshot/GMT-2026/a.jpg", "hidden"),
    ],
)
def test_a_name_says_why_a_file_is_no_input(path: str, expected: str | None) -> None:
    assert skip_kind(path) == expected


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/a.7z", "7-Zip"),
        ("/a.X3F", "camera raw"),
        ("/a.tar.lz4", "tar, compressed by lz4"),
        ("/a.jpg.gz", "a picture, compressed as .gz"),
    ],
)
def test_a_type_that_is_not_read_is_named(uri: str, name: str) -> None:
    with pytest.raises(ImageError, match=f"^{name}: this type is not read") as raised:
        require_read(uri)
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("/a.jpg.crdownload", r"by its name (.crdownload) it was not fetched to its end"),
        ("/.a.jpg.icloud", "by its name (.icloud) it was not fetched to its end"),
        ("gs://b/a.tar.gz.part", "by its name (.part) it was not fetched to its end"),
        ("/a.7z.partial", "by its name (.partial) it was not fetched to its end"),
        ("/a.zip.001", "a piece of a split archive: join the pieces first"),
        ("/a.tar.gz.ab", "a piece of a split archive: join the pieces first"),
        ("/a.z01", "a piece of a split archive: join the pieces first"),
    ],
)
def test_what_is_not_whole_says_so(uri: str, why: str) -> None:
    assert skip_kind(uri.rpartition("/")[2]) is None
    with pytest.raises(ImageError) as raised:
        require_read(uri)
    assert (raised.value.reason, str(raised.value)) == (Reason.UNSUPPORTED_FORMAT, why)


def test_an_archive_within_an_archive_is_not_read() -> None:
    assert member_kind("a.jpg") is None
    assert member_kind("a.txt") == "text"
    error = member_kind("a.tar")
    assert isinstance(error, ImageError)
    assert str(error) == "an archive within an archive is not read"


def test_unknown_content_is_called_what_its_name_says() -> None:
    error = ImageError(Reason.UNKNOWN_FORMAT, "no picture")
    assert str(named_by("/a.psd", error)) == "Photoshop by its name: no picture"
    assert named_by("/a.jpg", error) is error
