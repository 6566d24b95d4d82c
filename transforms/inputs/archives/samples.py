"""Members of tar and zip archives in samples, as WebDataset has them: pictures with siblings."""

from __future__ import annotations

import dataclasses
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import MAX_META, Entry, Reading, too_large
from transforms.inputs.skips import HIDDEN, OTHER_KEY, Note, Skipped

SIBLINGS = frozenset([".cls", ".json", ".txt"])
"""Extensions of files that describe the picture of the same name."""

# Of pictures that wait for their siblings.
_HELD_BYTES = 64 * 1024 * 1024

# In a message: enough to choose from.
_KEYS_NAMED = 5


class File(NamedTuple):
    """A member of an archive that is no folder.

    Attributes:
        name: of it, with / between its parts.
        size: of its content in bytes.
        at: where in the archive it is, in bytes.
        problem: why it has no content, such as a link; or None.
        content: reads it, before the next member is asked for; an error if only this one cannot be
            read.
    """

    name: str
    size: int
    at: int
    problem: ImageError | None
    content: Callable[[], bytes | ImageError]


def sample_entries(files: Iterable[File], how: Reading) -> Iterator[Entry | Skipped | Note]:
    """The pictures of an archive, and what else a user may have meant, told by their names.

    As in WebDataset, files that follow each other and have the same path up to the first dot of
    their name are one sample: its `.cls`, `.json` and `.txt` become the meta of its pictures. What
    follows that dot is the file's key.

    Args:
        files: every member but folders, in order.
        how: see there; `image_key` is the key of pictures, or several with `;` between them.

    Yields:
        An Entry a picture, a Skipped for each other file, at the end a Note on the keys if there
        was a choice between them.

    Raises:
        ImageError: as `files` does, after all that came before; or no member has the `image_key`.
    """
    keys = _Keys(how.image_key)
    names: set[str] = set()
    sample = _Sample()
    try:
        for file in files:
            if _stem(file.name) != sample.stem:
                yield from sample.finish()
                sample = _Sample(_stem(file.name))
            kind = keys.kind_of(file.name, how.kind_of(file.name))
            if not isinstance(kind, str):
                entry = _entry(file, names, refused=kind, max_bytes=how.max_bytes)
                keys.see(sample, key_of(file.name), is_picture=kind is None)
                yield from sample.add_picture(entry)
            elif kind not in (HIDDEN, OTHER_KEY) and _describes(file):
                sample.add_sibling(Skipped(file.name, kind), file.content())
            else:
                yield Skipped(file.name, kind)
    except ImageError:
        yield from sample.finish()
        raise
    yield from sample.finish()
    yield from keys.told()


class _Keys:
    """Which keys pictures have, and which of them are wanted."""

    def __init__(self, image_key: str | None) -> None:
        self._given = image_key
        self._wanted = None if image_key is None else frozenset(image_key.lower().split(";"))
        self._seen: set[str] = set()
        self._passed: set[str] = set()
        self._several: set[str] = set()

    def kind_of(self, name: str, kind: str | ImageError | None) -> str | ImageError | None:
        """As `Reading.kind_of`, with what is known of the keys; `kind` is what that says."""
        if self._wanted is None or kind == HIDDEN:
            return kind
        if key_of(name) in self._wanted:
            return kind if isinstance(kind, ImageError) else None
        if isinstance(kind, str):
            return kind
        if kind is None:
            self._note(self._passed, key_of(name))
        return OTHER_KEY

    def see(self, sample: _Sample, key: str, *, is_picture: bool) -> None:
        """Takes note of a picture of a sample, or of what is none, such as an archive in it."""
        self._note(self._seen, key)
        if not is_picture:
            return
        sample.keys.add(key)
        if len(sample.keys) > 1:
            for each in sample.keys:
                self._note(self._several, each)

    def _note(self, keys: set[str], key: str) -> None:
        if len(keys) <= _KEYS_NAMED:
            keys.add(key)

    def told(self) -> Iterator[Note]:
        """What there is to be said at the end."""
        if self._wanted is not None:
            if not self._seen:
                there = _in_words(self._passed) or "none"
                raise ImageError(
                    Reason.NO_PICTURES,
                    f"no picture has the key {self._given!r}; there are: {there}",
                )
            if self._passed:
                others = _in_words(self._passed)
                yield Note("", f"pictures with the key {self._given!r}, not those with {others}")
        elif self._several:
            keys = _in_words(self._several)
            yield Note("", f"every picture of samples that have several, with the keys {keys}")


def _in_words(keys: set[str]) -> str:
    named = sorted(keys)[:_KEYS_NAMED]
    return ", ".join([*map(repr, named), *(["..."] if len(keys) > _KEYS_NAMED else [])])


@dataclasses.dataclass
class _Sample:
    """Members with one stem that follow each other; its pictures wait for their siblings."""

    stem: str | None = None
    pictures: list[Entry] = dataclasses.field(default_factory=list)
    siblings: list[Skipped] = dataclasses.field(default_factory=list)
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)
    keys: set[str] = dataclasses.field(default_factory=set)
    held: int = 0
    has_picture: bool = False

    def add_picture(self, entry: Entry) -> Iterator[Entry]:
        """Keeps a picture until the sample is complete; hands out what would be too much."""
        self.has_picture = True
        self.pictures.append(entry)
        self.held += len(entry.content) if isinstance(entry.content, bytes) else 0
        if self.held > _HELD_BYTES:
            yield from self._release()

    def add_sibling(self, member: Skipped, content: bytes | ImageError) -> None:
        """Keeps what a sibling says."""
        self.siblings.append(member)
        if isinstance(content, bytes):
            key = posixpath.basename(member.path).partition(".")[2]
            self.meta[key] = _value(member.path, content)

    def finish(self) -> Iterator[Entry | Skipped]:
        """Hands out the rest: the pictures, or the siblings of none."""
        yield from self._release()
        if not self.has_picture:
            yield from self.siblings

    def _release(self) -> Iterator[Entry]:
        for entry in self.pictures:
            yield entry._replace(meta=self.meta)
        self.pictures, self.held = [], 0


def _entry(file: File, names: set[str], *, refused: ImageError | None, max_bytes: int) -> Entry:
    # Rows are told apart by uri, so a name counts once.
    if file.name in names:
        error = ImageError(Reason.NAME_TAKEN, "an earlier member has this name; rename one of them")
        return Entry(f"{file.name}@{file.at}", error, file.size, {})
    names.add(file.name)
    if file.problem is not None:
        return Entry(file.name, file.problem, None, {})
    if refused is not None:
        return Entry(file.name, refused, file.size, {})
    if file.size > max_bytes:
        return Entry(file.name, too_large(file.size, limit=max_bytes), file.size, {})
    return Entry(file.name, file.content(), file.size, {})


def key_of(name: str) -> str:
    """What follows the first dot of the last part of a name, in lower case."""
    return posixpath.basename(name).partition(".")[2].lower()


def _stem(name: str) -> str:
    """What the members of a sample share: the path up to the first dot of its last part."""
    folder, base = posixpath.split(name)
    return posixpath.join(folder, base.partition(".")[0])


def _extension(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _describes(file: File) -> bool:
    return _extension(file.name) in SIBLINGS and file.problem is None and file.size <= MAX_META


def _value(name: str, content: bytes) -> Any:
    """A class as a number, JSON as what it stands for, anything else as the text that it is."""
    text = content.decode("utf-8", "replace")
    try:
        if _extension(name) == ".cls":
            return int(text)
        if _extension(name) == ".json":
            return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return text
