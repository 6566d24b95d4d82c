from __future__ import annotations

from scripts.make_schema_page import PAGE, page
from transforms.rows.kinds import RowKind


def test_the_page_is_that_of_the_schema() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m scripts.make_schema_page"


def test_every_column_has_its_line() -> None:
    lines = page().splitlines()
    for kind in RowKind:
        for column in kind.columns:
            assert any(line.startswith(f"| `{column.name}` |") for line in lines)
    assert (
        "| `embedding` | float[256] | no | 1 | `image/feature_vector` "
        "| average-pooled features, never null; longer for wider networks |"
    ) in lines
