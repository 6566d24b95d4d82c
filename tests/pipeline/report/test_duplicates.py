"""Pictures that are there several times."""

from __future__ import annotations

from pipeline.report.duplicates import identical
from pipeline.report.survey import survey
from tests.helpers.rows import prediction
from transforms.rows.schema import prediction_table


def test_identical_files_are_grouped() -> None:
    rows = [prediction(number) for number in range(40)]
    same = [row._replace(sha256="f" * 64, class_id=7) for row in rows[:9]]
    pairs = [row._replace(sha256="e" * 64, class_id=7) for row in rows[20:22]]
    tables = [prediction_table([*same[:5], *pairs]), prediction_table([*same[5:], *rows[30:]])]
    found = survey(tables)
    groups = identical(found, tables)
    assert (groups.groups, groups.pictures) == (2, 11)
    assert [(group.count, len(group.rows)) for group in groups.shown] == [(9, 6), (2, 2)]
    assert groups.shown[0].rows[0]["uri"] == "/photos/000000.jpg"
