"""Listings of folders and globs in Cloud Storage, and where else Beam can read."""

from __future__ import annotations

import glob
import itertools
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from transforms.records import ImageRef
from transforms.storage import files

_MOST_PARTS = 256
# Of a listing that only looks for places to split at: 20,000 sub-folders, some seconds.
_MOST_PAGES = 20


class Part(NamedTuple):
    """A part of an input, listed by itself.

    Attributes:
        source: the input, as the user wrote it.
        kind: what it is.
        path: of the folder, file or glob, absolute.
        start: the first object name of this part, None for the beginning.
        end: the first object name of the next part, None for the end.
        image_key: see `transforms.inputs.listing.list_input`.
    """

    source: str
    kind: Literal["local folder", "local glob", "file", "remote folder", "remote glob"]
    path: str
    start: str | None = None
    end: str | None = None
    image_key: str | None = None


def parts(source: str, *, split: bool) -> list[Part]:
    """Looks at what is there and splits it: see `transforms.inputs.listing.parts`.

    Raises:
        OSError: nothing can be found out.
        UserError: nor ever will, for want of credentials or of a package.
    """
    if not files.is_gcs(source):
        files.require_access(source, what=source)  # else Beam's own words would have to do
    if not source.endswith("/") and files.exists(source):
        return [Part(source, "file", source)]
    if glob.has_magic(source):
        part = Part(source, "remote glob", source)
    else:
        part = Part(source, "remote folder", f"{source.rstrip('/')}/")
    if not (split and files.is_gcs(source)):
        return [part]
    return [part._replace(start=start, end=end) for start, end in _spans(_literal(part.path))]


def refs(part: Part) -> Iterator[ImageRef]:
    """Lists every file of a folder or glob, whatever its extension."""
    return _gcs_refs(part) if files.is_gcs(part.path) else _beam_refs(part)


def _literal(path: str) -> str:
    """What stands before the first wildcard."""
    return re.split(r"[*?\[]", path, maxsplit=1)[0]


def _spans(prefix: str) -> list[tuple[str | None, str | None]]:
    """Splits the names that begin with a prefix where sub-folders do: [start, end) of each span.

    Together the spans hold every name once, so the objects beside the sub-folders are among them.
    """
    from transforms.storage import gcs
    from transforms.storage.gcs_client import parse

    folders: list[str] = []
    for number, page in enumerate(gcs.pages(prefix, delimiter="/"), start=1):
        folders += page.prefixes
        # Where objects outnumber folders, another page of them is better listed for good.
        if number == _MOST_PAGES or len(page.objects) > len(page.prefixes):
            break
    # A single folder splits nothing; perhaps those in it do.
    if len(folders) == 1:
        bucket = parse(prefix).bucket
        return _spans(f"gs://{bucket}/{folders[0]}")
    step = -(-len(folders) // _MOST_PARTS) or 1
    edges = [None, *folders[step::step], None]
    return list(itertools.pairwise(edges))


def _gcs_refs(part: Part) -> Iterator[ImageRef]:
    from transforms.storage import gcs
    from transforms.storage.gcs_client import parse

    bucket = parse(part.path).bucket
    prefix = _literal(part.path)
    below = part.path.removeprefix(prefix)
    # A glob of one level need not walk through what is below it.
    delimiter = "/" if below and "/" not in below and "**" not in below else None
    wanted = re.compile(_expression(part.path), re.DOTALL) if below else None
    for page in gcs.pages(prefix, delimiter=delimiter, start=part.start, end=part.end):
        for item in page.objects:
            uri = f"gs://{bucket}/{item.name}"
            if wanted is None or wanted.fullmatch(uri):
                yield ImageRef(uri, size=item.size, version=item.version)


def _expression(pattern: str) -> str:
    """A glob as a regular expression: as in `glob`, `**/` stands for any number of folders."""
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^]/]+\])", pattern)
    return "".join(tokens.get(piece) or _literal_or_set(piece) for piece in pieces)


def _literal_or_set(piece: str) -> str:
    if not (piece.startswith("[") and piece.endswith("]") and len(piece) > 2):
        return re.escape(piece)
    inner = piece[1:-1].replace("\\", r"\\")
    return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"


def _beam_refs(part: Part) -> Iterator[ImageRef]:
    from transforms.storage import beam_files

    pattern = part.path if part.kind == "remote glob" else f"{part.path}**"
    for path, size in beam_files.match(pattern):
        yield ImageRef(path, size=size)
