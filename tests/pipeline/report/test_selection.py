"""Which pictures a report shows."""

from __future__ import annotations

from pipeline.report.duplicates import identical
from pipeline.report.selection import select
from pipeline.report.survey import survey
from tests.helpers.finished_runs import plausible
from transforms.rows.schema import prediction_table


def test_pictures_are_bounded_and_shared_between_sections() -> None:
    tables = [prediction_table(list(plausible(600)))]
    found = survey(tables)
    duplicates = identical(found, tables)
    chosen = select(found, duplicates, max_pictures=100)
    assert len(chosen.rows) == 100
    assert len({row["uri"] for row in chosen.rows}) == 100
    assert len(chosen.uncertain) == 25
    scores = [chosen.rows[place]["score"] for place in chosen.uncertain]
    assert scores == sorted(scores)
    for class_id, places in chosen.classes.items():
        assert {chosen.rows[place]["class_id"] for place in places} == {class_id}
    assert select(found, duplicates, max_pictures=0).rows == []
