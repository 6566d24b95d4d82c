"""Copies of pictures that other tools cannot open where they are: members of archives."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

import pyarrow as pa

from pipeline.export.source import is_member
from pipeline.run.folder.finished import FinishedRun
from transforms.inputs.archives.kinds import archive_of
from transforms.inputs.archives.members import Member, read_named
from transforms.records import ImageRef
from transforms.storage import files
from transforms.storage.addresses import name_of

PICTURES = "__pictures"
"""The folder of copies in that of an export; two underscores, so that readers pass it over."""

_LONGEST = 100


def copy_members(
    run: FinishedRun, tables: Iterable[pa.Table], *, staging: str, final: str
) -> dict[str, str]:
    """Writes the members of archives among some rows as files, each archive read once.

    Args:
        run: the rows are of.
        tables: with `uri` and `format`.
        staging: the folder of the export while it is written.
        final: where that folder will be.

    Returns:
        uri to the path that the copy will have; without those that cannot be read any more.
    """
    wanted: dict[str, dict[str, str]] = {}
    for table in tables:
        for row in table.select(["uri", "format"]).to_pylist():
            if is_member(row["uri"]):
                archive = archive_of(name_of(row["uri"])) or ""
                wanted.setdefault(archive, {})[name_of(row["uri"])] = row["uri"]
    copies: dict[str, str] = {}
    options = run.manifest.options
    for archive, uris in wanted.items():
        refs = [ImageRef(name) for name in uris]
        for found in read_named(
            archive, refs, image_key=options.image_key, max_bytes=options.max_bytes
        ):
            if isinstance(found, Member):
                name = f"{len(copies):09d}-{_name(found.ref.uri)}"
                files.write_bytes(files.join(staging, f"{PICTURES}/{name}"), found.data)
                copies[uris[found.ref.uri]] = files.join(final, f"{PICTURES}/{name}")
    return copies


def _name(uri: str) -> str:
    """The member's own name, as every file system takes it."""
    stem, suffix = posixpath.splitext(posixpath.basename(uri.partition("#")[2]))
    return re.sub(r"[^\w.-]", "_", stem, flags=re.ASCII)[:_LONGEST] + suffix.lower()
