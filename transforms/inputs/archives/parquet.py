"""Pictures of a Parquet file with a column of encoded bytes, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.failures import ImageError, Reason
from transforms.inputs.archives.base import MAX_META, Entry, Reading, damaged, too_large
from transforms.inputs.values import rows_of
from transforms.sniff import is_known
from transforms.storage import files

# In memory at a time, whatever a row takes; a batch has one row at least.
_BATCH_BYTES = 16 * 1024 * 1024
_BATCH_ROWS = 64
# Values of a column that are looked at to tell what it holds.
_LOOKED_AT = 64

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


def open_parquet(file: IO[bytes]) -> pq.ParquetFile:
    """Reads the footer; pages come later, a few at a time, and are held to their checksums.

    Raises:
        ImageError: this is no Parquet file, or storage failed.
    """
    try:
        # pre_buffer would fetch the pictures of whole row groups ahead.
        return pq.ParquetFile(
            file, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
        )
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


def columns_of(parquet: pq.ParquetFile) -> pa.Schema:
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


def image_column(schema: pa.Schema, *, image_key: str | None) -> str:
    """The column with the encoded pictures: of bytes, or of struct<bytes, path> (Hugging Face).

    Args:
        schema: of the file.
        image_key: the column's name, None for the only one that can be meant.

    Raises:
        ImageError: there is none, or there are several.
    """
    possible = picture_columns(schema, image_key=image_key)
    if len(set(possible)) == 1:
        if schema.names.count(possible[0]) > 1:
            raise ImageError(
                Reason.NO_PICTURES,
                f"several columns are called {possible[0]!r}; give each a name of its own",
            )
        return possible[0]
    if possible:
        raise ImageError(
            Reason.NO_PICTURES,
            f"several columns hold bytes: {', '.join(possible)}; --image-key chooses one",
        )
    wanted = f"{image_key!r} of" if image_key is not None else "of"
    found = ", ".join(schema.names) or "none"
    raise ImageError(Reason.NO_PICTURES, f"no column {wanted} picture bytes; there are: {found}")


def picture_columns(schema: pa.Schema, *, image_key: str | None) -> list[str]:
    """Every column that may hold pictures; with an `image_key` that one at most."""
    possible = [field.name for field in schema if _is_picture(field.type)]
    return [name for name in possible if image_key in (None, name)]


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
            possible = picture_columns(columns, image_key=image_key)
            if image_key is not None:
                return "pictures" if possible else "others"
            pictures = any(looks_like_pictures(parquet, column) for column in possible)
            return "pictures" if pictures else "others"
    except OSError as error:
        raise ImageError(Reason.from_os_error(error), error.strerror or str(error)) from error


def looks_like_pictures(parquet: pq.ParquetFile, column: str) -> bool:
    """Whether one of the first values begins as files of pictures do; also if there is no value.

    Columns of bytes hold geometries, hashes and vectors as well. One with the name of a picture, or
    that Hugging Face's `datasets` has written, struct<bytes, path>, holds what it says.
    """
    named = [field for field in columns_of(parquet) if field.name == column]  # names may repeat
    if any(pa.types.is_struct(field.type) for field in named) or _MEANT.search(column):
        return True
    try:
        batch = next(parquet.iter_batches(batch_size=_LOOKED_AT, columns=[column]), None)
        values = [] if batch is None else batch.column(0).to_pylist()
    except PARQUET_ERRORS:  # the failure comes with the reading
        return True
    contents = [value for value in values if value]
    return not contents or any(map(is_known, contents))


def parquet_entries(file: IO[bytes], how: Reading) -> Iterator[Entry]:
    """An Entry a row, named by its number from 0; the columns that hold no bytes are its meta.

    Args:
        file: that can seek.
        how: see there; `image_key` as in `image_column`.

    Raises:
        ImageError: the file is damaged (row groups that are not are read all the same), holds no
            pictures, or storage failed.
    """
    parquet = open_parquet(file)
    column = image_column(columns_of(parquet), image_key=how.image_key)
    if how.image_key is None and not looks_like_pictures(parquet, column):
        raise ImageError(
            Reason.NO_PICTURES,
            f"the bytes in the column {column!r} are no pictures; --image-key {column} reads them "
            "all the same",
        )
    first = 0
    broken: ImageError | None = None
    # By group, so that a damaged one does not cost those behind it.
    for group in range(parquet.num_row_groups):
        number = first
        try:
            for batch in _batches(parquet, group, column):
                for row in _rows(batch, column, max_bytes=how.max_bytes):
                    yield row._replace(name=str(number))
                    number += 1
        except PARQUET_ERRORS as error:
            broken = broken or _explained(f"the file breaks at row {number}", error)
        first += parquet.metadata.row_group(group).num_rows
    if broken is not None:
        raise broken


def _batches(parquet: pq.ParquetFile, group: int, column: str) -> Iterator[pa.RecordBatch]:
    others = [field.name for field in parquet.schema_arrow if not _holds_bytes(field.type)]
    size = parquet.metadata.row_group(group)
    average = size.total_byte_size // max(size.num_rows, 1) + 1
    batches: Iterator[pa.RecordBatch] = parquet.iter_batches(
        batch_size=min(max(_BATCH_BYTES // average, 1), _BATCH_ROWS),
        row_groups=[group],
        columns=[column, *others],
        use_threads=False,
    )
    return batches


def _rows(batch: pa.RecordBatch, column: str, *, max_bytes: int) -> Iterator[Entry]:
    pictures = batch.column(column)
    others = rows_of(batch.drop_columns([column]))
    if pa.types.is_struct(pictures.type):
        for other, path in zip(others, _paths(pictures), strict=True):
            other.update({f"{column}.path": path} if path is not None else {})
        pictures = pc.struct_field(pictures, "bytes")
    for picture, other in zip(pictures, others, strict=True):
        meta = {name: value for name, value in other.items() if _fits(value)}
        size = len(picture.as_buffer()) if picture.is_valid else None
        yield Entry("", _content(picture, size, max_bytes=max_bytes), size, meta)


def _content(picture: pa.Scalar, size: int | None, *, max_bytes: int) -> bytes | ImageError:
    if size is None:
        return ImageError(Reason.EMPTY, "the row holds no picture: its bytes are null")
    if size > max_bytes:
        return too_large(size, limit=max_bytes)
    content: bytes = picture.as_py()
    return content


def _paths(pictures: pa.StructArray) -> list[str | None]:
    """Where Hugging Face had the pictures from."""
    if pictures.type.get_field_index("path") < 0:
        return [None] * len(pictures)
    paths: list[str | None] = pc.struct_field(pictures, "path").to_pylist()
    return paths


def _is_picture(type_: pa.DataType) -> bool:
    if pa.types.is_struct(type_):
        return type_.get_field_index("bytes") >= 0 and _is_bytes(type_.field("bytes").type)
    return _is_bytes(type_)


def _is_bytes(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(is_kind(type_) for is_kind in kinds)


def _holds_bytes(type_: pa.DataType) -> bool:
    inner = (type_.field(at).type for at in range(type_.num_fields))
    return _is_bytes(type_) or pa.types.is_fixed_size_binary(type_) or any(map(_holds_bytes, inner))


def _fits(value: Any) -> bool:
    return value is not None and not (isinstance(value, str | list) and len(value) > MAX_META)


def _explained(what: str, error: Exception) -> ImageError:
    """Damage, unless the operating system or the storage says what is wrong."""
    if isinstance(error, OSError) and error.errno is not None:
        return ImageError(Reason.from_os_error(error), error.strerror or str(error))
    return damaged(f"{what}: {error}")
