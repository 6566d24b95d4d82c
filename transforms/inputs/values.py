"""Values of Arrow columns as Python has them, whatever is in them.

`to_pylist` stops at the first value that Python has no type for: nanoseconds, a year after 9999, a
time zone that this machine does not know, a text that is not UTF-8. Any of them is only what comes
along with a picture, so it costs nothing but itself.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from transforms.errors import MAX_MESSAGE

# What `as_py` raises: `OverflowError` for dates, `KeyError` for zones, else `ValueError`.
_UNREPRESENTABLE = (pa.ArrowException, ValueError, OverflowError, LookupError, TypeError)


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch, a dict each; of several columns with one name the last."""
    names: list[str] = batch.schema.names
    columns = [_values(batch.column(at)) for at in range(batch.num_columns)]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(column: pa.Array) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except _UNREPRESENTABLE:
        values = [_value(scalar) for scalar in column]
    return values


def _value(scalar: pa.Scalar) -> Any:
    """A value, or the text that comes closest to it."""
    try:
        return scalar.as_py()
    except _UNREPRESENTABLE:
        pass
    if isinstance(scalar, pa.StructScalar):
        return {field.name: _value(scalar[at]) for at, field in enumerate(scalar.type)}
    if isinstance(scalar, pa.ListScalar):  # the base of lists of every kind
        return [_value(inner) for inner in scalar.values]
    if isinstance(scalar, pa.DictionaryScalar):
        return _value(scalar.value)
    if isinstance(scalar, (pa.StringScalar, pa.LargeStringScalar, pa.StringViewScalar)):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")
    return _text(scalar)


def _text(scalar: pa.Scalar) -> str | None:
    """As Arrow writes it, without a time zone that nobody knows; None if Arrow cannot either."""
    try:
        if pa.types.is_timestamp(scalar.type):
            scalar = scalar.cast(pa.timestamp(scalar.type.unit))
        text: str = scalar.cast(pa.string()).as_py()
    except _UNREPRESENTABLE:
        return None
    return text[:MAX_MESSAGE]
