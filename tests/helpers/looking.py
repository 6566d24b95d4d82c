"""The page of `quantlabel report` as somebody uses it: what is shown, and what its data say."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.helpers.browser import complaints, settled, texts


def eventually(ask: Callable[[], object], expected: object) -> None:
    """Asserts what comes to be true: the browser tells of some things a moment later."""
    for _ in range(200):
        if ask() == expected:
            return
        time.sleep(0.05)
    assert ask() == expected


def faults(window: webdriver.Chrome) -> list[Any]:
    """What the browser complains of, but for originals that are not on the disk any more."""
    return [each for each in complaints(window) if "ERR_FILE_NOT_FOUND" not in str(each)]


def count(window: webdriver.Chrome) -> str:
    return settled(lambda: window.find_element(By.CSS_SELECTOR, ".count").text)


def chips(window: webdriver.Chrome) -> list[str]:
    return texts(window, ".chip")


def names(window: webdriver.Chrome) -> list[str]:
    """Of the first tiles of the sheet, in order."""

    def found() -> list[str]:
        tiles = window.find_elements(By.CSS_SELECTOR, ".tile")
        return [(tile.get_attribute("title") or "").rpartition("/")[2] for tile in tiles]

    return settled(found)


def press(window: webdriver.Chrome, *keys: str) -> None:
    ActionChains(window).send_keys(*keys).perform()


def click(window: webdriver.Chrome, selector: str, text: str) -> None:
    """The first element of a kind whose text begins so."""

    def is_clicked() -> bool:
        for element in window.find_elements(By.CSS_SELECTOR, selector):
            if element.text.startswith(text):
                element.click()
                return True
        return False

    assert settled(is_clicked), f"no {selector} says {text}: {texts(window, selector)}"


def choose(window: webdriver.Chrome, name: str, value: str) -> None:
    """What somebody chooses in a list that is called so."""
    select = window.find_element(By.CSS_SELECTOR, f"select[aria-label='{name}']")
    select.find_element(By.CSS_SELECTOR, f"option[value='{value}']").click()


def write_in(field: WebElement, text: str) -> None:
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, text, Keys.ENTER)


class Plane(NamedTuple):
    """Where the pictures of a page are on its map.

    Attributes:
        x: float[n], pixels from the middle of the canvas, while all of the map is seen.
        y: float[n].
    """

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


def plane(window: webdriver.Chrome, canvas: WebElement) -> Plane:
    found = data(window)["map"]
    side = 0.94 * min(canvas.size["width"], canvas.size["height"])
    shares = (decoded(found[axis]) / found[axis]["steps"] for axis in "xy")
    return Plane(*((share - 0.5) * side for share in shares))


def data(window: webdriver.Chrome) -> dict[str, Any]:
    """The rows of a page."""
    script = "return document.getElementById('rows').textContent"
    found: dict[str, Any] = json.loads(window.execute_script(script))
    return found


def decoded(column: dict[str, Any]) -> npt.NDArray[np.int64]:
    """A column of a page as numbers."""
    width = column["width"]
    parts = np.frombuffer(base64.b64decode(column["data"]), np.uint8).reshape(-1, width)
    return np.asarray(parts.astype(np.int64) @ (256 ** np.arange(width)), np.int64)
