"""A folder a class with links to its pictures, the layout of torchvision and `datasets`."""

from __future__ import annotations

import collections
import json
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath

from pipeline.export.copies import PICTURES
from pipeline.export.source import Counts, Source
from transforms.errors import UserError
from transforms.inputs.archives.base import IMAGE_EXTENSIONS
from transforms.storage import files
from transforms.storage.addresses import name_of

# Bytes of a link's name without number and extension; file systems allow 255 in all.
_MAX_NAME = 200


def write_image_folder(source: Source, folder: str) -> Counts:
    """Links each picture into the folder of its label.

    Links and no copies: they take no room, and follow the picture if it is mended. Pictures that
    are not files of this machine, or no longer, cannot be linked and are left out, and so are those
    that got no label of a label map: every folder is a class to those who read it. Copies of
    members of archives lie in the folders themselves.

    `_classes.json` tells the label of each folder: names that file systems or readers would not
    take as they are were changed.

    Raises:
        UserError: the run is not on this machine.
    """
    if not files.is_local(folder):
        raise UserError(
            f"{source.run.folder}: there are no links in a bucket. Copy the run's folder to this "
            "machine and export that, or choose another format, see --help."
        )
    folders = folder_names(source.choices)
    rows, gone, number = 0, 0, 0
    used: dict[str, str] = {}
    for table in source.predictions(columns=["uri", "format", *source.label_columns]):
        for row in table.to_pylist():
            number += 1
            label, _ = source.label(row)
            uri = row["uri"]
            if label is None or source.file(uri) is None:
                continue
            if source.is_gone(uri):
                gone += 1
                continue
            used[folders[label]] = label
            target = os.path.join(folder, folders[label])
            os.makedirs(target, exist_ok=True)
            # The number first: pictures of several folders may have one name.
            link = os.path.join(target, f"{number:09d}-{_file_name(uri, row['format'])}")
            _place(source, uri, link, folder)
            rows += 1
    if source.copies:
        files.delete_tree(os.path.join(folder, PICTURES))
    if used:
        classes = json.dumps(used, indent=1, ensure_ascii=False)
        files.write_bytes(files.join(folder, "_classes.json"), classes.encode())
    return Counts(rows, number - rows - gone, gone)


def _place(source: Source, uri: str, link: str, folder: str) -> None:
    """A link to the picture, or its copy itself."""
    if uri in source.copies:
        copy = os.path.join(folder, PICTURES, os.path.basename(source.copies[uri]))
        os.replace(copy, link)
    else:
        os.symlink(os.path.abspath(name_of(uri)), link)


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """The name of the folder of each label; no two are one on any file system."""
    named = {label: safe_name(label) for label in labels}
    taken = collections.Counter(map(_folded, named.values()))
    return {
        label: name if taken[_folded(name)] == 1 else f"{name} ({at})"
        for at, (label, name) in enumerate(named.items(), start=1)
    }


def _folded(name: str) -> str:
    """What systems that tell no case and no form of accents apart take for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def safe_name(name: str) -> str:
    """A class's name as the name of a folder, which readers take for the class again."""
    cleaned = re.sub(r"[/\\\0]", "_", name).strip().rstrip(".")
    cleaned = cleaned.encode()[:_MAX_NAME].decode(errors="ignore").rstrip()
    if cleaned.startswith((".", "__")) or not cleaned:  # hidden, to one reader or another
        cleaned = f"+{cleaned}"
    return without_splits(cleaned)


_SPLIT = re.compile(
    r"(?:(?<=[-._ 0-9])|^)"
    r"(?=(?:train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?:[-._ 0-9]|$))"
)
"""Before the name of a split, as `datasets` (5.2) looks for it in the names of folders and files:
as a word between these characters. With one such class all other pictures are in no split."""


def without_splits(name: str) -> str:
    """The name with a plus before each word that is one of a split's names: `bullet +train`."""
    return _SPLIT.sub("+", name)


# Extensions that are not the format's name.
_SUFFIXES = {"HEIF": ".heic", "JPEG2000": ".jp2"}


def _file_name(uri: str, format: str) -> str:
    """The picture's own name, with an extension that every reader takes for a picture's."""
    path = PurePosixPath(uri)
    known = path.suffix.lower() in IMAGE_EXTENSIONS
    suffix = path.suffix if known else _SUFFIXES.get(format, f".{format.lower()}")
    stem = path.stem if known else path.name
    # By bytes, which file systems count; a character cut in two is left out.
    short = stem.encode("utf-8", "surrogateescape")[:_MAX_NAME].decode(errors="ignore")
    # With one backslash, which `datasets` takes for a folder more, all pictures lose their labels.
    return without_splits((short + suffix).replace("\\", "_"))
