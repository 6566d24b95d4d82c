"""A real browser for tests of pages: Debian's Chromium, without a window and without a network."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

_FLAGS = (
    "--headless",
    "--no-sandbox",  # it refuses to run as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@contextlib.contextmanager
def chromium(*, width: int = 1280, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Starts Chromium; skips the test where it or its driver is not installed."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield window
    finally:
        window.quit()


def open_page(
    window: webdriver.Chrome, page: Path, *, scheme: Literal["light", "dark"] = "light"
) -> None:
    """Opens a file as somebody does who prefers dark or light pages."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    window.get(page.resolve().as_uri())


def texts(window: webdriver.Chrome, selector: str) -> list[str]:
    """What a reader sees of each element, in order."""
    return [element.text for element in window.find_elements(By.CSS_SELECTOR, selector)]


def complaints(window: webdriver.Chrome) -> list[Any]:
    """Errors and warnings of the page and of its Content-Security-Policy since the last call."""
    found: list[Any] = window.get_log("browser")  # type: ignore[no-untyped-call]
    return found
