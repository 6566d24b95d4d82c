from __future__ import annotations

import pyarrow as pa

from transforms.inputs.values import rows_of


def test_values_that_python_has_no_type_for_cost_only_themselves() -> None:
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([1, None]),
            pa.array([1, 2**62], pa.timestamp("s")),
            pa.array([[b"a"], []], pa.list_(pa.binary())),
        ],
        ["n", "time", "list"],
    )
    first, second = rows_of(batch)
    assert (first["n"], str(first["time"]), first["list"]) == (1, "1970-01-01 00:00:01", [b"a"])
    assert (second["n"], second["list"]) == (None, [])
    assert not isinstance(second["time"], int)


def test_rows_without_columns_are_still_rows() -> None:
    assert rows_of(pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))) == [{}, {}]
