"""Each kind of archive stands in one registry, and whatever is there works from end to end."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

import transforms.inputs.archives
from pipeline.cli import main
from tests.helpers.archives import ARCHIVE_WRITERS, write_archive
from transforms.inputs.archives.kinds import ARCHIVE_KINDS, ArchiveKind, archive_kind
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.listing import list_input
from transforms.records import ImageRef

SHARED = {"base", "compression", "exif_text", "kinds", "members", "parquet_pages", "samples"}
"""Modules of the room that read no archive of their own."""

every_kind = pytest.mark.parametrize("kind", ARCHIVE_KINDS, ids=lambda kind: kind.extension)


def test_every_reader_is_in_the_registry() -> None:
    found = {module.name for module in pkgutil.iter_modules(transforms.inputs.archives.__path__)}
    registered = {kind.entries.__module__.rpartition(".")[2] for kind in ARCHIVE_KINDS}
    assert registered == found - SHARED


def test_tests_can_write_every_kind() -> None:
    assert {kind.extension for kind in ARCHIVE_KINDS} == set(ARCHIVE_WRITERS)


@every_kind
def test_a_name_is_of_one_kind(kind: ArchiveKind) -> None:
    name = f"/photos/x{kind.extension}"
    assert archive_kind(name) is kind
    assert [other for other in ARCHIVE_KINDS if other.pattern.search(name)] == [kind]


@every_kind
def test_a_folder_lists_it_and_its_pictures_come_out(kind: ArchiveKind, tmp_path: Path) -> None:
    path = tmp_path / f"x{kind.extension}"
    pictures = {"a.jpg": b"a" * 700, "b.jpg": b"b" * 5}
    write_archive(path, pictures)
    (listed,) = list_input(str(tmp_path))
    assert isinstance(listed, ImageRef)
    assert listed.uri == str(path)
    members = list(read_members(listed, image_key=None, max_bytes=2000))
    assert all(isinstance(member, Member) for member in members)
    assert [member.data for member in members if isinstance(member, Member)] == [*pictures.values()]


@every_kind
def test_a_member_over_the_limit_is_no_picture(kind: ArchiveKind, tmp_path: Path) -> None:
    path = tmp_path / f"x{kind.extension}"
    write_archive(path, {"a.jpg": b"a" * 700})
    (found,) = read_members(ImageRef(str(path)), image_key=None, max_bytes=600)
    assert getattr(found, "reason", None) == "too_large_bytes"


def test_the_help_of_label_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["label", "--help"])
    named = set(re.findall(r"\.\w+", capsys.readouterr().out))
    assert named >= {kind.extension for kind in ARCHIVE_KINDS}
