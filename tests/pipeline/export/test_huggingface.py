"""Rows, pictures and classes that `datasets` loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.exports import NAMES, exported, loaded, row
from tests.helpers.finished_runs import write_run


def test_datasets_loads_the_rows_with_pictures_classes_and_vectors(run: Path) -> None:
    rows = [
        row(str(run.parent / "photos" / name), number, [135, 518], 0.5)
        for number, name in enumerate(NAMES)
    ]
    rows.append(row("/data/shard-0.tar#g.jpg", 9, [1, 2], 0.1))
    folder = run.parent / "here"
    write_run(folder, rows)
    assert exported(folder, "huggingface")["rows"] == 4
    found = loaded(run.parent, str(folder / "__export/huggingface"))
    assert found["names"] == ["tench", "goldfish", "crane (135)", "crane (518)"]
    assert found["labels"] == [2, 2, 2, 0]
    assert found["sizes"] == [[96, 64], [96, 64], [96, 64], None]
    assert found["uris"] == [row.uri for row in rows]
    assert found["length"] == 256
    assert found["misdeclared"] == []
    assert found["second"] == pytest.approx(1 / 3)
