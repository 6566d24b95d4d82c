"""A real browser for tests of pages: Debian's Chromium, without a window and without a network."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
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


_T = TypeVar("_T")


def settled(look: Callable[[], _T]) -> _T:
    """What looking comes to, once more where the page was drawn anew meanwhile."""
    for _ in range(20):
        with contextlib.suppress(StaleElementReferenceException):
            return look()
    return look()


def texts(window: webdriver.Chrome, selector: str) -> list[str]:
    """What a reader sees of each element, in order."""
    return settled(lambda: [each.text for each in window.find_elements(By.CSS_SELECTOR, selector)])


def complaints(window: webdriver.Chrome) -> list[Any]:
    """Errors and warnings of the page and of its Content-Security-Policy since the last call."""
    found: list[Any] = window.get_log("browser")  # type: ignore[no-untyped-call]
    return found


_FIRST_FRAME = """
const [type, base64, done] = arguments;
(async () => {
  const data = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  const decoder = new ImageDecoder({data, type});
  const frame = (await decoder.decode({frameIndex: 0})).image;
  const [width, height] = [frame.displayWidth, frame.displayHeight];
  const canvas = new OffscreenCanvas(width, height).getContext("2d", {colorSpace: "srgb"});
  canvas.fillStyle = "white";
  canvas.fillRect(0, 0, width, height);
  canvas.drawImage(frame, 0, 0);
  const pixels = canvas.getImageData(0, 0, width, height).data;
  done([width, height, btoa(Array.from(pixels, byte => String.fromCharCode(byte)).join(""))]);
})().catch(error => done(String(error)));
"""


def first_frame(window: webdriver.Chrome, data: bytes, type_: str) -> npt.NDArray[np.uint8]:
    """uint8[h, w, 3], what the browser shows of a picture on white, in sRGB.

    Args:
        window: at a page from a file, because only such pages may use the decoder.
        data: the file.
        type_: its media type.
    """
    answer = window.execute_async_script(_FIRST_FRAME, type_, base64.b64encode(data).decode())
    assert isinstance(answer, list), answer
    width, height, content = answer
    rgba = np.frombuffer(base64.b64decode(content), np.uint8).reshape(height, width, 4)
    return rgba[..., :3]
