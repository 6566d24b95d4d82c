"""Writes docs/schema.md, the page of columns, from `transforms.rows.schema`.

python -m scripts.make_schema_page
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from transforms.rows.kinds import RowKind
from transforms.rows.schema import ROW_SCHEMA_VERSION, Column

PAGE = Path(__file__).resolve().parent.parent / "docs" / "schema.md"


def page() -> str:
    """The content of the page."""
    return f"""# The columns of a row

<!-- Made by `python -m scripts.make_schema_page` from transforms/rows/schema.py. -->

Every picture has one row: a prediction or a failure. JSON has the same names, numbers and lists,
with `null` where there is no value. A TFRecord holds a tf.train.Example for each prediction, which
leaves out what is null and has `image/filename`, the last part of `uri`, besides.

Rows have a schema version of their own, now {ROW_SCHEMA_VERSION}. Parquet files hold it as
`quantlabel.row_schema_version`. Columns stay as they are, and new ones are nullable: rows of
earlier versions are read, resumed and exported, with nulls in what they lack. Rows of a later
version are refused.

## Predictions

{_table(RowKind.PREDICTION.columns, keys=True)}

## Failures

{_table(RowKind.FAILURE.columns, keys=False)}
"""


def _table(columns: Iterable[Column], *, keys: bool) -> str:
    heads = ["column", "type", "null", "since", *(["TFRecord"] if keys else []), "what it says"]
    return "\n".join(map(_line, [heads, ["---"] * len(heads), *_rows(columns, keys=keys)]))


def _rows(columns: Iterable[Column], *, keys: bool) -> Iterator[list[str]]:
    for column in columns:
        key = [f"`{column.key}`"] if keys else []
        null = "yes" if column.nullable else "no"
        about = [f"`{column.name}`", _type(column), null, str(column.since), *key]
        yield [*about, column.description]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _type(column: Column) -> str:
    if pa.types.is_fixed_size_list(column.type):
        return f"{column.value_type}[{column.type.list_size}]"
    return f"list of {column.value_type}" if column.is_list else str(column.type)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
