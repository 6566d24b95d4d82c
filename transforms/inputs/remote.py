"""Listings of folders and globs in Cloud Storage, and where else Beam can read."""

from __future__ import annotations

import bisect
import collections
import glob
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from transforms.inputs.folders import marked_entries
from transforms.records import ImageRef
from transforms.rows.names import MARKER
from transforms.storage import files

_MOST_PARTS = 256
_LEAST_PARTS = 16
# Names of an answer behind which there are more.
_FULL_PAGE = 1000
# Of a listing that only looks for places to split at: 20,000 sub-folders, some seconds.
_MOST_PAGES = 20

# Objects that wait for the place of a marker: about as many as come with a page.
_WAITING = 1000
_FOLDERS_KNOWN = 100_000
_BEHIND_ALL = "\U0010ffff"


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
    if files.is_http(source):  # a question mark there is no pattern
        return [Part(source, "file", source)]
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
    listed = _gcs_listed(part) if files.is_gcs(part.path) else _beam_listed(part)
    return (ref for ref, is_wanted in listed if is_wanted)


def refs_with_results(part: Part) -> Iterator[tuple[ImageRef, bool]]:
    """As `refs`, each with whether a marker says that a command of ours wrote it."""
    first = f"{_bucket(part.path)}{part.start}" if part.start else ""
    last = f"{_bucket(part.path)}{part.end}" if part.end else None
    is_whole = part.kind == "remote folder" or files.is_gcs(part.path)
    markers = _Markers(_literal(part.path), first, last, is_whole=is_whole)
    return markers.told(_gcs_listed(part) if files.is_gcs(part.path) else _beam_listed(part))


def _bucket(uri: str) -> str:
    scheme, _, path = uri.partition("://")
    return f"{scheme}://{path.partition('/')[0]}/"


class _Markers:
    """What the markers of folders say of the objects in them, while these are listed by name.

    A marker comes behind whatever sorts before it, so objects wait until its place has passed. It
    is asked for only where too many would wait, and where its place is outside of the listing.

    Args:
        prefix: of all that is listed.
        first: the address where the listing starts.
        last: where it ends, None for at its end.
        is_whole: whether all that begins with `prefix` is listed, wanted or not.
    """

    def __init__(self, prefix: str, first: str, last: str | None, *, is_whole: bool) -> None:
        self._prefix = prefix
        self._is_whole = is_whole
        self._root = prefix.rpartition("/")[0] + "/"
        self._first = max(first, prefix)
        self._last = last
        self._known: dict[str, frozenset[str]] = {}
        self._passed = ""

    def told(self, listed: Iterable[tuple[ImageRef, bool]]) -> Iterator[tuple[ImageRef, bool]]:
        """Each reference that is wanted, in order, with whether it is ours."""
        waiting: collections.deque[ImageRef] = collections.deque()
        told = 0
        for ref, is_wanted in listed:
            folder, _, name = ref.uri.rpartition("/")
            if name == MARKER:
                self._ask(f"{folder}/")
            self._passed = ref.uri
            if is_wanted:
                waiting.append(ref)
            # The first ones do not wait: whoever asks for a picture gets it from the first page.
            while waiting and (len(waiting) > min(_WAITING, told) or self._is_open(waiting[0])):
                yield waiting[0], self._is_ours(waiting.popleft())
                told += 1
        self._passed = self._last or _BEHIND_ALL
        for ref in waiting:
            yield ref, self._is_ours(ref)

    def _is_open(self, ref: ImageRef) -> bool:
        """Whether all its markers are known without asking for one."""
        return all(
            folder in self._known or self._was_passed(folder) for folder, _ in self._places(ref)
        )

    def _was_passed(self, folder: str) -> bool:
        marker = f"{folder}{MARKER}"
        is_listed = self._is_whole and marker.startswith(self._prefix)
        return is_listed and self._first <= marker < self._passed

    def _is_ours(self, ref: ImageRef) -> bool:
        return any(name in self._entries(folder) for folder, name in self._places(ref))

    def _entries(self, folder: str) -> frozenset[str]:
        if folder not in self._known and not self._was_passed(folder):
            self._ask(folder)
        return self._known.get(folder, frozenset())

    def _ask(self, folder: str) -> None:
        if len(self._known) > _FOLDERS_KNOWN:
            self._known.clear()
        try:
            content = files.read_bytes(f"{folder}{MARKER}")
        except OSError:  # there is none, or its folder is another's
            content = b""
        self._known[folder] = marked_entries(content)

    def _places(self, ref: ImageRef) -> Iterator[tuple[str, str]]:
        """Each folder above an object, from the root, with the name in it that leads there."""
        folder = self._root
        *parts, name = ref.uri.removeprefix(folder).split("/")
        for part in parts:
            yield folder, part
            folder = f"{folder}{part}/"
        yield folder, name


def _literal(path: str) -> str:
    """What stands before the first wildcard."""
    return re.split(r"[*?\[]", path, maxsplit=1)[0]


def _spans(prefix: str) -> list[tuple[str | None, str | None]]:
    """Splits the names that begin with a prefix where sub-folders do: [start, end) of each span.

    Together the spans hold every name once, so the objects beside the sub-folders are among them.
    Many objects without sub-folders are split where the beginnings of their names differ.
    """
    from transforms.storage import gcs
    from transforms.storage.gcs_client import parse

    folders: list[str] = []
    names: list[str] = []
    for number, page in enumerate(gcs.pages(prefix, delimiter="/"), start=1):
        folders += page.prefixes
        names = names or [item.name for item in page.objects]
        # Where objects outnumber folders, another page of them is better listed for good.
        if number == _MOST_PAGES or len(page.objects) > len(page.prefixes):
            break
    # A single folder splits nothing; perhaps those in it do.
    if len(folders) == 1:
        bucket = parse(prefix).bucket
        return _spans(f"gs://{bucket}/{folders[0]}")
    if not folders and len(names) >= _FULL_PAGE:
        folders = _beginnings(prefix, names)
    step = -(-len(folders) // _MOST_PARTS) or 1
    edges = [None, *folders[step::step], None]
    return list(itertools.pairwise(edges))


def _beginnings(prefix: str, names: Sequence[str]) -> list[str]:
    """What names begin with, in 16 to 256 ways, if there are many; else nothing.

    Each takes a request: the first name behind all those that share a beginning has the next one.

    Args:
        prefix: of all names, with scheme and bucket.
        names: the first of them, a page, sorted.
    """
    from transforms.storage.gcs_client import parse

    # Not the very first one, which may be a lonely `.DS_Store`.
    pairs = zip(names[len(names) // 2], names[-1], strict=False)
    shared = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    lengths = range(len(parse(prefix).name), len(shared) + 1)
    # What all names share tells none from another.
    shortest = bisect.bisect_left(
        lengths, True, key=lambda length: _first_behind(prefix, shared[:length]) is not None
    )
    fewer: list[str] = []
    for length in lengths[shortest:]:
        found = _of_length(prefix, names[0], length)
        if len(found) > _MOST_PARTS:
            return fewer or found
        if len(found) >= _LEAST_PARTS:
            return found
        fewer = found
    # Half a page of names fits into one of these beginnings, and there are few of them.
    return []


def _of_length(prefix: str, name: str, length: int) -> list[str]:
    found: list[str] = []
    following: str | None = name
    while following is not None and len(found) <= _MOST_PARTS:
        found.append(following[:length])
        following = _first_behind(prefix, found[-1])
    return found


def _first_behind(prefix: str, beginning: str) -> str | None:
    """The first name behind all those with a beginning; None if there is none."""
    from transforms.storage import gcs

    for page in gcs.pages(prefix, start=f"{beginning}{_BEHIND_ALL}", page_size=1):
        if page.objects:
            return page.objects[0].name
    return None


def _gcs_listed(part: Part) -> Iterator[tuple[ImageRef, bool]]:
    """What is listed, with whether the part asks for it."""
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
            is_wanted = wanted is None or wanted.fullmatch(uri) is not None
            yield ImageRef(uri, size=item.size, version=item.version), is_wanted


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


def _beam_listed(part: Part) -> Iterator[tuple[ImageRef, bool]]:
    from transforms.storage import beam_files

    pattern = part.path if part.kind == "remote glob" else f"{part.path}**"
    for path, size in sorted(beam_files.match(pattern)):
        yield ImageRef(path, size=size), True
