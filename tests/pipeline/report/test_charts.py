"""Charts in SVG."""

from __future__ import annotations

from pipeline.report.charts import bars


def test_a_chart_escapes_what_it_is_given() -> None:
    drawn = str(bars([("<b>&", 3)], title='"'))
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp;: 3" in drawn
    assert 'aria-label="&#34;"' in drawn
