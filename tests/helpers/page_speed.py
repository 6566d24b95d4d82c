"""Measures how quickly Chromium opens a page of `quantlabel report`, moves its map and filters.

    python -m tests.helpers.page_speed labels/__report/index.html

Seconds of the wall, and of the processor in the page's main thread, which other programs that run
meanwhile do not change.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from selenium import webdriver

from tests.helpers.browser import chromium, open_page

STEPS = {
    "move the map": """
        const key = turn % 2 ? "ArrowLeft" : "ArrowRight";
        document.querySelector("canvas")?.dispatchEvent(new KeyboardEvent("keydown", { key }));
    """,
    "filter by a label": "document.querySelector('button.bar').click();",
    "search": """
        const field = document.querySelector(".toolbar input");
        field.value = turn % 2 ? "" : "1";
        field.dispatchEvent(new Event("input"));
    """,
    "scroll the sheet": "document.querySelector('.tiles-scroll').scrollTop = 20000 * turn;",
}
"""What somebody does, `turn` times, each in a frame of its own."""

_TURNS = 20
_REPEATS = """
const [turns, done] = arguments, started = performance.now();
let turn = 0;
function step() {
  if (turn === turns) { done((performance.now() - started) / 1000); return; }
  (() => { %s })();
  turn++;
  requestAnimationFrame(step);
}
step();
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.page_speed")
    parser.add_argument("page", type=Path)
    page = parser.parse_args(argv).page
    print(f"{page.stat().st_size / 1e6:.1f} MB")
    with chromium(width=1440) as window:
        window.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(3):
            window.get("about:blank")
            started = time.perf_counter()
            open_page(window, page)
            seconds = time.perf_counter() - started
            print(f"open: {seconds:.2f} s, {_busy(window):.2f} of the processor")
        for name, script in STEPS.items():
            before = _busy(window)
            wall = window.execute_async_script(_REPEATS % script, _TURNS) / _TURNS
            busy = (_busy(window) - before) / _TURNS
            print(f"{name}: {wall:.3f} s, {busy:.3f} of the processor")


def _busy(window: webdriver.Chrome) -> float:
    """Seconds that the page has kept its main thread busy since it was opened."""
    found = window.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(float(each["value"]) for each in found if each["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
