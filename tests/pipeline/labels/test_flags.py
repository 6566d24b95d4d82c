from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.labels.flags import flagged
from transforms.flags import Flags


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["blurry"], [True, False, False, False]),
        (["blurry", "tiny"], [True, True, False, False]),
        (["any"], [True, True, False, False]),
        (["none"], [False, False, True, True]),
        (["none", "tiny"], [False, True, True, True]),
    ],
)
def test_rows_have_the_flags_or_none(flags: list[str], expected: list[bool]) -> None:
    columns: dict[str, list[bool | None]] = {name: [False] * 3 + [None] for name in Flags._fields}
    columns["blurry"][0] = columns["tiny"][1] = True
    table = pa.table({name: pa.array(values, pa.bool_()) for name, values in columns.items()})
    assert flagged(table, flags).to_pylist() == expected
