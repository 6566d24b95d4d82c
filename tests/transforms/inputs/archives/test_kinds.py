"""Each kind of archive stands in one registry, and whatever is there works from end to end."""

from __future__ import annotations

import os
import pkgutil
import re
from pathlib import Path
from typing import cast

import pytest

import transforms.inputs.archives
from pipeline.cli import main
from tests.helpers.archives import ARCHIVE_WRITERS, write_archive
from transforms.inputs.archives.base import Entry, Reading
from transforms.inputs.archives.kinds import ARCHIVE_KINDS, ArchiveKind, archive_kind, entries_of
from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.file_types import member_kind
from transforms.inputs.listing import list_input
from transforms.records import ImageRef
from transforms.storage.streams import stream

SHARED = {"base", "compression", "exif_text", "finished", "kinds", "members"} | {
    "parquet_pages",
    "samples",
}
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


@pytest.mark.parametrize(("name", "asked"), [("a.zip", 6), ("a.tar", 3)])
def test_an_archive_in_a_bucket_is_read_once(tmp_path: Path, name: str, asked: int) -> None:
    path = tmp_path / name
    write_archive(path, {f"{number}.jpg": os.urandom(100_000) for number in range(3)})
    content, spans = path.read_bytes(), list[int]()

    def span(at: int, length: int) -> bytes:
        spans.append(length)
        return content[at : at + length]

    kind = archive_kind(name)
    assert kind is not None
    how = Reading(uri=name, image_key=None, max_bytes=1_000_000, kind_of=member_kind)
    file = stream(span, len(content), chunk=len(content) // 2 + 1)
    found = [each for each in entries_of(kind, file, how) if isinstance(each, Entry)]
    assert [len(cast(bytes, each.content)) for each in found] == [100_000] * 3
    assert sum(spans) < len(content) + 2_000
    assert len(spans) <= asked
