from __future__ import annotations

from typing import get_type_hints

from transforms.flags import Flags
from transforms.records import Prediction
from transforms.rows.schema import PREDICTION_COLUMNS


def test_each_flag_is_a_column_and_a_field_of_the_record() -> None:
    count = len(Flags._fields)
    assert Prediction._fields[-count:] == Flags._fields
    columns = PREDICTION_COLUMNS[-count:]
    assert tuple(column.name for column in columns) == Flags._fields
    assert all(column.nullable for column in columns)
    assert set(get_type_hints(Flags).values()) == {bool}
