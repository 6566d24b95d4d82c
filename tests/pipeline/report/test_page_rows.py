from __future__ import annotations

from pipeline.report.page_rows import page_rows
from tests.helpers.rows import stream_of

URIS = [f"/p/{number}.jpg" for number in range(50)]


def test_a_page_holds_all_rows_that_it_can() -> None:
    found = page_rows(stream_of(URIS, rows=7), count=50, also=(), most=50)
    assert found["uri"].to_pylist() == URIS


def test_of_more_some_are_drawn_the_same_ones_each_time_and_those_it_needs() -> None:
    without = page_rows(stream_of(URIS, rows=7), count=50, also=(), most=10)
    drawn = without["uri"].to_pylist()
    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=URIS.index)
    others = [uri for uri in URIS if uri not in drawn][:3]
    found = page_rows(stream_of(URIS, rows=11), count=50, also=[*others, drawn[0]], most=10)
    assert set(found["uri"].to_pylist()) == {*drawn, *others}
