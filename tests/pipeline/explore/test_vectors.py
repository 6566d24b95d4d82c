from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.explore.vectors import unit_vectors


def test_rows_get_the_length_one_and_zeros_stay_zeros() -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array([3, 4, 0, 0, 0, 2], pa.float32()), 2)
    units = unit_vectors(pa.table({"embedding": column}))
    assert units.dtype == np.float32
    np.testing.assert_allclose(units, [[0.6, 0.8], [0.0, 0.0], [0.0, 1.0]], atol=1e-7)
