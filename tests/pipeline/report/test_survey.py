"""What one look at all rows finds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.report.survey import survey
from tests.helpers.rows import prediction
from transforms.rows.schema import prediction_table


def test_counts_are_those_of_the_rows() -> None:
    rows = [
        prediction(0)._replace(class_id=1, label="tench", score=0.04, width=4000, height=3000),
        prediction(1)._replace(class_id=1, label="tench", score=0.96, width=100, height=200),
        prediction(2)._replace(class_id=2, label="goldfish", score=1.0, width=10, height=10),
    ]
    tables = [prediction_table(rows[:2]), prediction_table(rows[2:])]
    found = survey(tables)
    assert found.rows == 3
    assert [(key, entry.label, entry.count) for key, entry in found.classes.items()] == [
        (1, "tench", 2),
        (2, "goldfish", 1),
    ]
    assert found.classes[1].score_sum == pytest.approx(1.0)
    assert np.flatnonzero(found.score_counts).tolist() == [0, 19]
    assert found.score_counts[19] == 2
    assert found.megapixel_counts.tolist() == [2, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert found.shapes == {"wide": 1, "tall": 1, "square": 1}
    assert (found.sized, found.file_bytes) == (3, 300_003)
    assert found.least_certain is not None
    assert found.least_certain["uri"].to_pylist() == [row.uri for row in rows]
    assert found.repeated.tolist() == []
