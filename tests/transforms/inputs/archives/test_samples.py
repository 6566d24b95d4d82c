"""Samples of tar and zip: which of their members are pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.archives import (
    A,
    B,
    C,
    members_of,
    metas_of,
    notes_of,
    only_failure,
    write_tar,
    write_zip,
)
from transforms.inputs.archives.members import read_members
from transforms.inputs.archives.samples import key_of
from transforms.inputs.skips import Skipped
from transforms.records import ImageRef

MASKED = [
    ("d/x.jpg", A),
    ("d/x.seg.png", B),
    ("d/x.cls", b"7"),
    ("d/y.JPG", C),
    ("d/y.seg.png", B),
    ("d/z.png", C),
]


@pytest.fixture(params=[".tar", ".zip"])
def masked(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"x{request.param}"
    if request.param == ".tar":
        write_tar(path, MASKED)
    else:
        write_zip(path, dict(MASKED))
    return path


def test_without_a_key_every_picture_is_taken_and_the_keys_are_named(masked: Path) -> None:
    expected: list[Any] = [(name, content) for name, content in MASKED if name != "d/x.cls"]
    assert members_of(masked) == expected
    assert notes_of(masked) == [
        "every picture of samples that have several, with the keys 'jpg', 'seg.png'"
    ]


def test_pictures_of_samples_with_one_each_need_no_word(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.jpg", A), ("b.png", B), ("2026 12.30.jpg", C)])
    assert notes_of(tmp_path / "x.tar") == []


def test_a_key_chooses_and_the_others_are_skipped_by_name(masked: Path) -> None:
    others = ["d/x.seg.png", "d/y.seg.png", "d/z.png"]
    expected = [("d/x.jpg", A), ("d/y.JPG", C)]
    found = members_of(masked, image_key="jpg")
    assert [each for each in found if isinstance(each, tuple)] == expected
    assert [each for each in found if isinstance(each, str)] == others
    items = read_members(ImageRef(str(masked)), image_key="jpg", max_bytes=2000)
    assert {item.kind for item in items if isinstance(item, Skipped)} == {"other_key"}
    assert notes_of(masked, image_key="jpg") == [
        "pictures with the key 'jpg', not those with 'png', 'seg.png'"
    ]
    assert metas_of(masked)[0] == {"cls": 7}
    taken = [each for each in members_of(masked, image_key="jpg;PNG") if isinstance(each, tuple)]
    assert taken == [("d/x.jpg", A), ("d/y.JPG", C), ("d/z.png", C)]


def test_an_archive_in_an_archive_is_no_picture_of_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    write_tar(path, [("a.jpg", A), ("a.zip", B), ("b.jpg", A), ("b.rar", B), ("c.png", C)])
    nested = [("a.zip", "unsupported_format"), ("b.rar", "unsupported_format")]
    assert [found for found in members_of(path) if found[1] not in (A, C)] == nested
    assert notes_of(path) == []
    assert [found for found in members_of(path, image_key="jpg") if isinstance(found, str)] == [
        *("a.zip", "b.rar", "c.png"),
    ]
    assert notes_of(path, image_key="jpg") == ["pictures with the key 'jpg', not those with 'png'"]


def test_a_key_that_no_member_has_is_one_failure(masked: Path) -> None:
    *skipped, failure = read_members(ImageRef(str(masked)), image_key="jpeg", max_bytes=2000)
    assert getattr(failure, "reason", None) == "no_pictures"
    assert getattr(failure, "message", None) == (
        "no picture has the key 'jpeg'; there are: 'jpg', 'png', 'seg.png'"
    )
    assert len(skipped) == 6


def test_a_key_may_be_no_extension_of_a_picture(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("a.img", A), ("a.txt", b"t")])
    assert members_of(tmp_path / "x.tar", image_key="img") == [("a.img", A)]
    assert only_failure(tmp_path / "x.tar").reason == "no_pictures"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.c/d.Seg.PNG", "seg.png"), ("a", ""), (".x.jpg", "x.jpg"), ("2026 12.30.jpg", "30.jpg")],
)
def test_the_key_is_what_follows_the_first_dot(name: str, expected: str) -> None:
    assert key_of(name) == expected
