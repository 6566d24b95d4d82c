"""Pictures of a Parquet file with a column of encoded bytes, one after the other."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import (
    MAX_META,
    Entry,
    Reading,
    damaged,
    is_picture_name,
    too_large,
)
from transforms.inputs.archives.parquet_pages import CheckedPages
from transforms.inputs.picture_files import read_bytes
from transforms.inputs.skips import Note
from transforms.inputs.values import rows_of
from transforms.sniff import is_known
from transforms.storage import files
from transforms.storage.addresses import resolved, shown

# In memory at a time, whatever a row takes; a batch has one row at least.
_BATCH_BYTES = 16 * 1024 * 1024
_BATCH_ROWS = 64
# Values of a column that are looked at to tell what it holds.
_LOOKED_AT = 64

# Of a value: more than any format needs to be known.
_HEAD_BYTES = 512

_BUFFER_BYTES = 1024 * 1024

_MEANT = re.compile("image|img|photo|picture|jpe?g|png|webp|tiff?|gif", re.IGNORECASE)

VERSION_KEY = b"quantlabel.version"
"""In the metadata of every Parquet file that a command of ours writes."""

PARQUET_ERRORS = (
    pa.ArrowException,
    OSError,
    ValueError,
    OverflowError,
    LookupError,
    RecursionError,
)
"""What pyarrow raises for damaged or hostile files: its own errors, the system's, and Python's for
names that are not UTF-8, numbers out of range and types nested without end."""


class Parquet(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    """An open file, and what its pages are read through."""

    def __init__(self, file: IO[bytes]) -> None:
        self._pages = CheckedPages(file)
        # pre_buffer would fetch the pictures of whole row groups ahead.
        super().__init__(
            self._pages,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        )

    def batches(self, group: int, columns: Sequence[str], *, rows: int) -> Iterator[pa.RecordBatch]:
        """A row group, so many rows at a time.

        Args:
            group: its number.
            columns: that are read.
            rows: of a batch at most.
        """
        self._pages.watch()
        found: Iterator[pa.RecordBatch] = self.iter_batches(
            batch_size=rows, row_groups=[group], columns=list(columns), use_threads=False
        )
        return found


def open_parquet(file: IO[bytes]) -> Parquet:
    """Reads the footer; pages come later, a few at a time, and are held to their checksums.

    Raises:
        ImageError: this is no Parquet file, or storage failed.
    """
    try:
        return Parquet(file)
    except PARQUET_ERRORS as error:
        raise _explained("not a readable Parquet file", error) from error


def parquet_schema(path: str) -> pa.Schema:
    """The columns of a file.

    Raises:
        ImageError: as `open_parquet`; or the file cannot be opened.
    """
    try:
        with files.open_read(path) as file:
            return columns_of(open_parquet(file))
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


def columns_of(parquet: Parquet) -> pa.Schema:
    """The columns of an open file, all of them with names and types that can be had.

    Raises:
        ImageError: they cannot.
    """
    try:
        schema = parquet.schema_arrow
        _ = schema.names, [str(field.type) for field in schema]
    except PARQUET_ERRORS as error:
        raise _explained("not a readable Parquet file", error) from error
    return schema


class Choice(NamedTuple):
    """The column that holds the pictures.

    Attributes:
        column: its name.
        by_content: whether there were others, and its first bytes decided.
    """

    column: str
    by_content: bool = False


def require_pictures(path: str, *, image_key: str | None) -> None:
    """Looks into a file for a column of pictures.

    Raises:
        ImageError: as `choose_column` and `open_parquet`; or the file cannot be opened.
    """
    try:
        with files.open_read(path) as file:
            choose_column(open_parquet(file), image_key=image_key)
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


def choose_column(parquet: Parquet, *, image_key: str | None) -> Choice:
    """The column with the encoded pictures: of bytes, or of struct<bytes, path> (Hugging Face).

    Args:
        parquet: of which.
        image_key: the column's name, None for the only one that can be meant.

    Raises:
        ImageError: there is none, or there are several.
    """
    schema = columns_of(parquet)
    possible = _possible(schema, image_key=image_key)
    if image_key is not None:
        return Choice(image_key)
    if len(possible) == 1:
        column = _once(schema, possible[0])
        if not looks_like_pictures(parquet, column):
            raise ImageError(
                Reason.NO_PICTURES,
                f"the bytes in the column {column!r} are no pictures; --image-key {column} reads "
                "them all the same",
            )
        return Choice(column)
    pictures = [_once(schema, column) for column in possible if _begins_so(parquet, column)]
    pictures = pictures or [column for column in possible if looks_like_pictures(parquet, column)]
    if len(pictures) == 1:
        return Choice(pictures[0], by_content=True)
    what = "pictures" if pictures else "bytes, none of which begin as pictures do"
    raise ImageError(
        Reason.NO_PICTURES,
        f"several columns hold {what}: {', '.join(pictures or possible)}; --image-key chooses one",
    )


def _possible(schema: pa.Schema, *, image_key: str | None) -> list[str]:
    """The columns that may hold pictures by their types, each name once.

    Raises:
        ImageError: there is none, or the one that `image_key` names cannot.
    """
    if image_key is not None:
        return [_named(schema, image_key)]
    possible = picture_columns(schema)
    if not possible:
        raise ImageError(
            Reason.NO_PICTURES, f"no column of picture bytes; there are: {_listed(schema)}"
        )
    return possible


def _once(schema: pa.Schema, column: str) -> str:
    if schema.names.count(column) > 1:
        raise ImageError(
            Reason.NO_PICTURES,
            f"several columns are called {column!r}; give each a name of its own",
        )
    return column


def _named(schema: pa.Schema, image_key: str) -> str:
    """The column that the user names, if its values can be bytes."""
    if image_key not in schema.names:
        found = _listed(schema)
        raise ImageError(
            Reason.NO_PICTURES, f"no column {image_key!r} of picture bytes; there are: {found}"
        )
    type_ = schema.field(schema.names.index(_once(schema, image_key))).type
    if not (_is_picture(type_) or (can_be_read(type_) and _is_text(_plain(type_)))):
        raise ImageError(
            Reason.NO_PICTURES,
            f"no column {image_key!r} of picture bytes: it is {type_}; there are: "
            f"{_listed(schema)}",
        )
    return image_key


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"


def picture_columns(schema: pa.Schema) -> list[str]:
    """Every column that may hold pictures by its type, each name once."""
    return list(dict.fromkeys(field.name for field in schema if _is_picture(field.type)))


def parquet_content(
    path: str, *, image_key: str | None
) -> Literal["pictures", "results", "others"]:
    """What a file holds: pictures, what a command of ours has written, or other things.

    Raises:
        ImageError: as `parquet_schema`.
    """
    try:
        with files.open_read(path) as file:
            parquet = open_parquet(file)
            columns = columns_of(parquet)
            if VERSION_KEY in (columns.metadata or {}):
                return "results"
            if image_key is not None:
                return "pictures" if image_key in columns.names else "others"
            possible = picture_columns(columns)
            pictures = any(looks_like_pictures(parquet, column) for column in possible)
            return "pictures" if pictures else "others"
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


def looks_like_pictures(parquet: Parquet, column: str) -> bool:
    """Whether one of the first values begins as files of pictures do; also if there is no value.

    Columns of bytes hold geometries, hashes and vectors as well. One with the name of a picture, or
    that Hugging Face's `datasets` has written, struct<bytes, path>, holds what it says.
    """
    named = [field for field in columns_of(parquet) if field.name == column]  # names may repeat
    if any(pa.types.is_struct(_plain(field.type)) for field in named) or (
        _MEANT.search(column) and not any(_is_list(_plain(field.type)) for field in named)
    ):
        return True
    return _begins_so(parquet, column, otherwise=True)


def _begins_so(parquet: Parquet, column: str, *, otherwise: bool = False) -> bool:
    """Whether one of the first values is a picture, or the path of one.

    Args:
        parquet: of which.
        column: of it.
        otherwise: the answer where there is no value, or none can be read: then the failure comes
            with the reading.
    """
    seen = rows = 0
    try:
        for batch in _batches(parquet, 0, [column]) if parquet.num_row_groups else ():
            for value in batch.column(0):
                content = _bytes_of(value)
                head = bytes(content[:_HEAD_BYTES]) if content else b""
                if is_known(head) or is_picture_name(_path_of(value) or ""):
                    return True
                seen += bool(content)
                rows += 1
                if rows == _LOOKED_AT:
                    return otherwise and not seen
    except PARQUET_ERRORS:
        return otherwise
    return otherwise and not seen


def parquet_entries(file: IO[bytes], how: Reading) -> Iterator[Entry | Note]:
    """An Entry a row, named by its number from 0; the columns that hold no bytes are its meta.

    Args:
        file: that can seek.
        how: see there; `image_key` as in `choose_column`.

    Raises:
        ImageError: the file is damaged (row groups that are not are read all the same), holds no
            pictures, or storage failed.
    """
    parquet = open_parquet(file)
    column, by_content = choose_column(parquet, image_key=how.image_key)
    if by_content:
        yield Note("", f"pictures in the column {column!r}, told by their first bytes")
    others = [
        field.name
        for field in columns_of(parquet)
        if field.name != column and can_be_read(field.type) and not _holds_bytes(field.type)
    ]
    first = 0
    broken: ImageError | None = None
    # By group, so that a damaged one does not cost those behind it.
    for group in range(parquet.num_row_groups):
        number = first
        try:
            for batch in _batches(parquet, group, [column, *others]):
                for row in _rows(batch, column, how):
                    yield row._replace(name=str(number))
                    number += 1
        except PARQUET_ERRORS as error:
            broken = broken or _explained(f"the file breaks at row {number}", error)
        first += parquet.metadata.row_group(group).num_rows
    if broken is not None:
        # A copy: this frame, with the open file, would live as long as an error that it holds.
        raise copy.copy(broken)


def _batches(parquet: Parquet, group: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    size = parquet.metadata.row_group(group)
    average = size.total_byte_size // max(size.num_rows, 1) + 1
    rows = min(max(_BATCH_BYTES // average, 1), _BATCH_ROWS)
    return parquet.batches(group, columns, rows=rows)


def _rows(batch: pa.RecordBatch, column: str, how: Reading) -> Iterator[Entry]:
    others = rows_of(batch.drop_columns([column]))
    for picture, other in zip(batch.column(column), others, strict=True):
        path = _path_of(picture)
        if path is not None:
            other[f"{column}.path"] = path
        meta = {name: value for name, value in other.items() if _fits(value)}
        content = _bytes_of(picture)
        if content is None and path:
            found = _file(path, how)
            yield Entry("", found, len(found) if isinstance(found, bytes) else None, meta)
        else:
            size = None if content is None else len(content)
            yield Entry("", _content(content, max_bytes=how.max_bytes), size, meta)


def _content(picture: pa.Buffer | bytes | None, *, max_bytes: int) -> bytes | ImageError:
    if picture is None:
        return ImageError(Reason.EMPTY, "the row holds no picture: its bytes are null")
    if len(picture) > max_bytes:
        return too_large(len(picture), limit=max_bytes)
    return bytes(picture)


def _file(path: str, how: Reading) -> bytes | ImageError:
    """The picture that a row only names, as Hugging Face's `datasets` writes local files."""
    try:
        return read_bytes(resolved(path, beside=how.uri), max_bytes=how.max_bytes).data
    except ImageError as error:
        message = f"the row holds no bytes, only a path, {shown(path)}: {error}"
        return ImageError(error.reason, message)


# ---- values and types ---------------------------------------------------------------------------


def _inner(value: pa.Scalar) -> pa.Scalar:
    """The value itself, out of dictionaries and types of other people's."""
    while value.is_valid and isinstance(value, (pa.ExtensionScalar, pa.DictionaryScalar)):
        value = value.value
    return value


def _bytes_of(value: pa.Scalar) -> pa.Buffer | bytes | None:
    """The bytes of a picture, None where they are null."""
    value = _inner(value)
    if isinstance(value, pa.StructScalar) and value.is_valid:
        value = _inner(value["bytes"])
    if not value.is_valid:
        return None
    if not isinstance(value, pa.ListScalar):
        return value.as_buffer()
    numbers = value.values
    return numbers.drop_null().to_numpy(zero_copy_only=False).tobytes()


def _path_of(value: pa.Scalar) -> str | None:
    """Where Hugging Face had the picture from."""
    value = _inner(value)
    if not isinstance(value, pa.StructScalar) or value.type.get_field_index("path") < 0:
        return None
    path = _inner(value["path"]) if value.is_valid else None
    if path is None or not path.is_valid or not _is_text(path.type):
        return None
    text: bytes = path.as_buffer().to_pybytes()
    return text.decode("utf-8", "surrogateescape")


def _plain(type_: pa.DataType) -> pa.DataType:
    """What a type stands for: what an extension stores, what a dictionary holds."""
    while isinstance(type_, (pa.BaseExtensionType, pa.DictionaryType)):
        dictionary = isinstance(type_, pa.DictionaryType)
        type_ = type_.value_type if dictionary else type_.storage_type
    return type_


def holds_names(type_: pa.DataType) -> bool:
    """Whether values of a type can be names of files: texts, or bytes."""
    plain = _plain(type_)
    return can_be_read(type_) and (_is_text(plain) or _is_bytes(plain))


def can_be_read(type_: pa.DataType) -> bool:
    """False for an extension type over a dictionary: Arrow 25 ends the process over batches of it.

    Only types that are registered are meant: other extension types come as what they store.
    """
    if isinstance(type_, pa.BaseExtensionType):
        return not isinstance(type_.storage_type, pa.DictionaryType)
    if isinstance(type_, pa.DictionaryType):
        return True
    return all(can_be_read(type_.field(at).type) for at in range(type_.num_fields))


def _is_picture(type_: pa.DataType) -> bool:
    if not can_be_read(type_):
        return False
    type_ = _plain(type_)
    if pa.types.is_struct(type_):
        at = type_.get_field_index("bytes")
        return at >= 0 and (_is_bytes(type_.field(at).type) or _is_list(type_.field(at).type))
    return _is_bytes(type_) or _is_list(type_)


def _is_bytes(type_: pa.DataType) -> bool:
    kinds = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(is_kind(_plain(type_)) for is_kind in kinds)


def _is_text(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(type_) for is_kind in kinds)


def _is_list(type_: pa.DataType) -> bool:
    """Whether it is a list of bytes as numbers; Spark and NumPy have pictures as such."""
    type_ = _plain(type_)
    kinds = (
        *(pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list),
        *(pa.types.is_list_view, pa.types.is_large_list_view),
    )
    is_list = any(is_kind(type_) for is_kind in kinds)
    return is_list and (pa.types.is_uint8(type_.value_type) or pa.types.is_int8(type_.value_type))


def _holds_bytes(type_: pa.DataType) -> bool:
    type_ = _plain(type_)
    inner = (type_.field(at).type for at in range(type_.num_fields))
    return _is_bytes(type_) or any(map(_holds_bytes, inner))


def _fits(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | list) and len(value) > MAX_META)


def _explained(what: str, error: Exception) -> ImageError:
    """Damage, unless the operating system or the storage says what is wrong."""
    if isinstance(error, OSError) and error.errno is not None:
        return ImageError(Reason.from_os_error(error), error.strerror or str(error))
    return damaged(f"{what}: {error}")
