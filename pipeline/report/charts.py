"""Charts as inline SVG. Colours come from the page's style sheet, so they suit dark and light."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from markupsafe import Markup

_WIDTH, _HEIGHT = 640, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 24, 40
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM


def histogram(
    counts: Sequence[int], names: Sequence[str], *, title: str, axis: str, edges: bool = False
) -> Markup:
    """Upright bars.

    Args:
        counts: one for each bar.
        names: of the bars, as a reader without eyes hears them.
        title: what is counted.
        axis: what the bars stand for.
        edges: the names are lower edges and stand at the left of their bars.
    """
    top = _nice_top(max(counts, default=0))
    step = _PLOT_WIDTH / max(1, len(counts))
    # More names than eleven would run into each other.
    every = math.ceil(len(counts) / 11)
    parts = [_y_axis(top)]
    for index, (count, name) in enumerate(zip(counts, names, strict=True)):
        height = _PLOT_HEIGHT * count / top
        left, over = _LEFT + index * step + 1, _TOP + _PLOT_HEIGHT - height
        parts.append(_bar(f"{name}: {count:,}", x=left, y=over, width=step - 2, height=height))
        if index % every == 0:
            x = _LEFT + (index + (0 if edges else 0.5)) * step
            parts.append(_text(x, _HEIGHT - _BOTTOM + 16, name, "middle"))
    return _svg([*parts, _axis(axis)], title=title)


def bars(rows: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """Lying bars, a name and a count each."""
    line, left = 24, 190
    top = max((count for _, count in rows), default=1) or 1
    height = line * len(rows) + 4
    parts = []
    for index, (name, count) in enumerate(rows):
        y = index * line
        width = (_WIDTH - left - 80) * count / top
        parts.append(_text(left - 8, y + 16, _cut(name), "end"))
        parts.append(
            _bar(f"{name}: {count:,}", x=left, y=y + 4, width=max(width, 1.5), height=line - 8)
        )
        parts.append(_text(left + width + 8, y + 16, f"{count:,}", "start"))
    return _svg(parts, title=title, height=height)


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line through points, x and y from 0 to 1.

    Attributes:
        name: for the legend.
        style: class of the line in the style sheet.
        points: (x, y), in order of x.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]


def curves(lines: Sequence[Curve], *, title: str, axis: str) -> Markup:
    """Lines over the unit square, in percent."""
    parts = [_y_axis(100, unit="%")]
    parts += _legend(lines) if len(lines) > 1 else []
    for tick in range(0, 101, 20):
        parts.append(_text(_x(tick / 100), _HEIGHT - _BOTTOM + 16, f"{tick}%", "middle"))
    for line in lines:
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in line.points)
        parts.append(Markup('<polyline class="line {}" points="{}"/>').format(line.style, path))
        # Dots to point at, unless there are so few or many that they would say nothing.
        for x, y in line.points if 2 < len(line.points) <= 25 else ():
            parts.append(
                Markup(
                    '<g><title>{:.1%}, {}: {:.1%}</title><circle class="dot {}" cx="{:.1f}" '
                    'cy="{:.1f}" r="3.5"/></g>'
                ).format(x, line.name, y, line.style, _x(x), _y(y))
            )
    return _svg([*parts, _axis(axis)], title=title)


def _legend(lines: Sequence[Curve]) -> list[Markup]:
    """Above the plot, where no line runs."""
    parts = []
    step = _PLOT_WIDTH / len(lines)
    for index, line in enumerate(lines):
        x = _LEFT + index * step
        parts.append(
            Markup('<line class="line {}" x1="{:.1f}" x2="{:.1f}" y1="10" y2="10"/>').format(
                line.style, x, x + 24
            )
        )
        parts.append(_text(x + 30, 14, line.name, "start"))
    return parts


def _x(share: float) -> float:
    return _LEFT + _PLOT_WIDTH * share


def _y(share: float) -> float:
    return _TOP + _PLOT_HEIGHT * (1 - share)


def _nice_top(largest: int) -> int:
    """The smallest of 4, 8, 20, 40, 80, 200, ... that is not below: quarters of it are whole."""
    scale = 1
    while True:
        for step in (4, 8, 20):
            if largest <= step * scale:
                return step * scale
        scale *= 10


def _y_axis(top: int, *, unit: str = "") -> Markup:
    lines = []
    for quarter in range(5):
        y = _TOP + _PLOT_HEIGHT * (1 - quarter / 4)
        lines.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
                _LEFT, _WIDTH - _RIGHT, y, y
            )
        )
        lines.append(_text(_LEFT - 8, y + 4, f"{top * quarter // 4:,}{unit}", "end"))
    return Markup("").join(lines)


def _bar(what: str, *, x: float, y: float, width: float, height: float) -> Markup:
    """A bar that tells what it stands for to whoever points at it, or listens."""
    return Markup(
        '<g><title>{}</title><rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" '
        'height="{:.1f}" rx="2"/></g>'
    ).format(what, x, y, width, height)


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, text
    )


def _axis(name: str) -> Markup:
    return _text(_LEFT + _PLOT_WIDTH / 2, _HEIGHT - 4, name, "middle")


def _svg(parts: Sequence[Markup], *, title: str, height: int = _HEIGHT) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>'
    ).format(title, _WIDTH, height, Markup("").join(parts))


def _cut(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"
