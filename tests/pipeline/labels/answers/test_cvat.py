"""CVAT's tags."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.helpers.answers import read, said
from transforms.errors import UserError

XML = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><job><id>4</id><assignee><username>ann</username><email/></assignee></job></meta>
  <image id="0" name="dog/a.jpg" width="9" height="9">
    <tag label="cat" source="manual"></tag>
  </image>
  <image id="1" name="b.jpg" width="9" height="9">
    <tag label="cat" source="auto"></tag>
  </image>
  <image id="2" name="c.jpg" width="9" height="9">
    <tag label="cat" source="manual"></tag>
    <tag label="dog" source="manual"></tag>
  </image>
  <image id="3" name="d.jpg" width="9" height="9"></image>
</annotations>
"""


@pytest.mark.parametrize("zipped", [False, True])
def test_tags_of_people_are_answers(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("job.zip" if zipped else "annotations.xml")
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("annotations.xml", XML)
    else:
        path.write_text(XML, "utf-8")
    expected = [("a.jpg", "cat"), ("b.jpg", "skipped"), ("c.jpg", "several"), ("d.jpg", "skipped")]
    assert said(path) == expected
    first = read(path)[0]
    assert (first.picture, first.annotator) == ({"file": "dog/a.jpg"}, "ann")


def test_an_archive_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations.xml", XML)
    whole = path.read_bytes()
    at = whole.rindex(b"PK\x01\x02")
    for damage in (b"\x01\0", b"\0\0\x63\0"):  # a password; a method that nobody knows
        path.write_bytes(whole[: at + 8] + damage + whole[at + 8 + len(damage) :])
        with pytest.raises(UserError, match="expected a zip of CVAT"):
            read(path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.xml", "<annotations/>", "expected an export of CVAT"),
        ("a.xml", "<annotation", "not readable as XML"),
        ("a.zip", "PK", "expected a zip of CVAT with annotations.xml"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: str, expected: str) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(UserError, match=expected):
        read(tmp_path / name)
