"""The chart of the main scenario: pictures a second and peak memory, as an SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from benchmarks.results import Summary

_WIDTH, _LEFT, _ROW, _TOP, _BAR = 870, 230, 34, 68, 18
_PANELS = ((_LEFT, 320), (630, 170))
"""Left edge and longest bar of each panel, in pixels."""

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .head { font-weight: 600 } .note { fill: #59636e; font-size: 12px }
  .bar { fill: #8c959f } .ours { fill: #0969da } .limit { fill: #d1d9e0 }
  .range { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 }
    .bar { fill: #6e7681 } .ours { fill: #4493f8 } .limit { fill: #3d444d }
    .range { stroke: #e6edf3 }
  }
"""


def draw(summaries: Sequence[Summary], *, titles: Mapping[str, str], note: str) -> str:
    """An SVG document that follows the reader's light or dark setting.

    Args:
        summaries: one a contestant, of the same pictures, at least one.
        titles: contestant to the text that is shown beside its bar.
        note: what was measured, and on what.
    """
    rows = sorted(summaries, key=lambda summary: -summary.rate)
    height = _TOP + _ROW * len(rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">',
        f"<title>Pictures a second and peak memory. {escape(note)}</title>",
        f"<style>{_STYLE}</style>",
        _text(_LEFT, 28, "Pictures a second, start-up included", "head"),
        _text(_PANELS[1][0], 28, "Peak memory, MB", "head"),
        _text(_LEFT, 48, "median; the line is the range of the runs", "note"),
    ]
    for number, summary in enumerate(rows):
        parts += _row(summary, rows, y=_TOP + _ROW * number, title=titles[summary.contestant])
    parts += [_text(16, height - 12, note, "note"), "</svg>"]
    return "\n".join(parts) + "\n"


def _row(summary: Summary, rows: Sequence[Summary], *, y: int, title: str) -> list[str]:
    style = summary.contestant if summary.contestant in ("ours", "limit") else "bar"
    fastest = max(each.pictures / each.min_s for each in rows)
    rate_left, rate_length = _PANELS[0]
    slow, middle, fast = (
        rate_left + rate_length * summary.pictures / seconds / fastest
        for seconds in (summary.max_s, summary.median_s, summary.min_s)
    )
    line = y + _BAR / 2
    parts = [
        _text(16, y + 14, title),
        _bar(rate_left, y, middle - rate_left, style),
        f'<line class="range" x1="{slow:.1f}" x2="{fast:.1f}" y1="{line}" y2="{line}"/>',
        _text(fast + 8, y + 14, f"{summary.rate:,.0f}"),
    ]
    if summary.peak_bytes:
        largest = max(each.peak_bytes or 0 for each in rows)
        left, length = _PANELS[1]
        width = length * summary.peak_bytes / largest
        parts.append(_bar(left, y, width, style))
        parts.append(_text(left + width + 8, y + 14, f"{summary.peak_bytes / 1e6:,.0f}"))
    return parts


def _bar(x: float, y: float, width: float, style: str) -> str:
    return f'<rect class="{style}" x="{x}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y}">{escape(text)}</text>'
