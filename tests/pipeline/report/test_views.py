"""The views of the page filter each other: seen through a real browser."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.cli import main
from tests.helpers.browser import chromium, open_page, texts
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.looking import (
    chips,
    choose,
    click,
    count,
    data,
    decoded,
    eventually,
    faults,
    names,
    plane,
    press,
    write_in,
)
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import labelled
from transforms.records import Prediction

pytest.importorskip("openTSNE")  # which has no wheels for Linux on ARM

COUNT, LABELS, REAL = 800, 8, 24
"""Rows, labels that they have in turn, and pictures that exist."""

FIRST = 282
"""The first class: `tabby` and the seven after it."""


def _row(number: int, photos: Path) -> Prediction:
    """Scores of 0 to 99 %, each eight times; vectors that are alike where the label is."""
    label = number % LABELS
    score = (number // LABELS + 0.2) / (COUNT // LABELS)
    random = np.random.RandomState(number)
    uri = str(photos / f"{number:06d}.jpg") if number < REAL else f"/gone/IMG_{number:04d}.jpg"
    others = {700 + at: (1 - score) / 10 for at in range(4)}
    vector = np.eye(256)[label] + 0.05 * random.rand(256)
    row = labelled(uri, {FIRST + label: score, **others})
    of_file = hashlib.sha256(Path(uri).read_bytes()).hexdigest() if number < REAL else ""
    sha256 = of_file or f"{number:064x}"
    return row._replace(sha256=sha256, embedding=vector.astype(np.float32))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the pictures have a truth, which is the label but for every fifth of them."""
    folder = tmp_path_factory.mktemp("views")
    make_pictures(folder / "photos", count=REAL)
    rows = [_row(number, folder / "photos") for number in range(COUNT)]
    write_run(folder / "labels", rows)
    lines = [
        f"{row.uri},{row.class_id if number % 5 else 1}"
        for number, row in enumerate(rows[: COUNT // 2])
    ]
    truth = folder / "truth.csv"
    truth.write_text("\n".join(["uri,class_id", *lines, ""]), "utf-8")
    assert main(["evaluate", str(folder / "labels"), "--truth", str(truth)]) == 0
    assert main(["report", str(folder / "labels")]) == 0
    return folder / "labels"


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with chromium(width=1400, height=900) as started:
        yield started


@pytest.fixture
def window(browser: webdriver.Chrome, run: Path) -> Iterator[webdriver.Chrome]:
    """At the page as it is when it has just been opened."""
    browser.get("about:blank")
    open_page(browser, run / "__report/index.html")
    yield browser
    # Pictures that are not there any more are not worth a word of the page.
    assert faults(browser) == []


def test_a_search_filters_every_view(window: webdriver.Chrome) -> None:
    assert count(window) == "800 pictures"
    press(window, "/")
    press(window, "EGYPTIAN")
    assert count(window) == "100 of 800 pictures"
    assert chips(window) == ["“EGYPTIAN”"]
    assert texts(window, ".bar .number") == ["100"]
    assert texts(window, ".bar .word") == ["Egyptian cat"]
    press(window, Keys.ESCAPE)
    press(window, "img_003")
    assert count(window) == "10 of 800 pictures"
    press(window, Keys.ENTER)  # to the first picture
    assert window.switch_to.active_element.get_attribute("aria-posinset") == "1"
    press(window, "/")
    press(window, "nothing is called like this")
    assert count(window) == "0 of 800 pictures"
    assert texts(window, ".sheet .empty") == ["Nothing passes all filters."]
    click(window, "button", "Clear all")
    assert count(window) == "800 pictures"


def test_labels_scores_and_verdicts_filter_each_other(window: webdriver.Chrome) -> None:
    assert texts(window, ".bar .number") == ["100"] * LABELS
    click(window, ".bar", "Egyptian cat")
    click(window, ".bar", "tabby")
    assert count(window) == "200 of 800 pictures"
    assert texts(window, ".bar .number") == ["100"] * LABELS  # what another choice would bring
    low, high = window.find_elements(By.CSS_SELECTOR, ".ends input")
    write_in(low, "50")
    write_in(high, "59")
    assert count(window) == "20 of 800 pictures"
    assert texts(window, ".bar .number") == ["10"] * LABELS
    assert texts(window, ".truth .number")[0] == "20"
    write_in(low, "0")
    write_in(high, "49")
    click(window, ".truth button", "Mistakes")
    assert count(window) == "20 of 800 pictures"
    assert set(texts(window, ".tile .name")) == {"is tench"}
    assert chips(window) == ["Egyptian cat", "tabby", "0 to 49 %", "mistakes"]
    for _ in range(4):
        window.find_element(By.CSS_SELECTOR, ".chip").click()
    assert (count(window), chips(window)) == ("800 pictures", [])


def test_a_brush_over_the_scores_filters(window: webdriver.Chrome) -> None:
    svg = window.find_element(By.CSS_SELECTOR, ".scores svg")
    width = svg.size["width"]
    drag = ActionChains(window).move_to_element_with_offset(svg, -width // 4, 0).click_and_hold()
    drag.move_by_offset(width // 2, 0).release().perform()
    low, high = (
        int(each.get_attribute("value") or "")
        for each in window.find_elements(By.CSS_SELECTOR, ".ends input")
    )
    assert (abs(low - 25) <= 1, abs(high - 75) <= 1) == (True, True)
    shown = int(count(window).partition(" ")[0])
    assert abs(shown - 400) <= 24
    svg.click()
    assert count(window) == "800 pictures"


def test_a_lasso_on_the_map_takes_what_lies_in_it(window: webdriver.Chrome) -> None:
    canvas = window.find_element(By.CSS_SELECTOR, "canvas")
    place, labels = plane(window, canvas), decoded(data(window)["label"])
    own = labels == labels[0]
    left, right = place.x[own].min() - 8, place.x[own].max() + 8
    top, bottom = place.y[own].min() - 8, place.y[own].max() + 8
    within = (place.x > left) & (place.x < right) & (place.y > top) & (place.y < bottom)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    actions = ActionChains(window, duration=20)
    actions.move_to_element_with_offset(canvas, *map(int, corners[0])).click_and_hold()
    for corner in corners[1:]:
        actions.move_to_element_with_offset(canvas, *map(int, corner))
    actions.release().perform()
    shown = int(count(window).partition(" ")[0])
    assert abs(shown - within.sum()) <= 2  # corners are whole pixels
    assert chips(window) == ["area of the map"]
    counts = dict(zip(texts(window, ".bar .word"), texts(window, ".bar .number"), strict=True))
    assert counts["tabby"] == "100"
    canvas.send_keys("0")
    ActionChains(window).move_to_element_with_offset(
        canvas, int(place.x[0]), int(place.y[0])
    ).perform()
    assert texts(window, ".tip b") == ["tabby"]


def test_the_map_is_coloured_by_folder(window: webdriver.Chrome) -> None:
    assert texts(window, ".legend span") == ["right", "wrong", "not known"]
    choose(window, "Colour of points", "folder")
    assert texts(window, ".legend .word") == ["gone", "photos"]  # most pictures first
    assert texts(window, "[aria-label='Colour of points'] option")[-1] == "by folder"  # no flags
    choose(window, "Colour of points", "label")
    assert texts(window, ".legend") == [""]


def test_the_map_is_used_with_the_keyboard(window: webdriver.Chrome) -> None:
    canvas = window.find_element(By.CSS_SELECTOR, "canvas")
    canvas.send_keys(Keys.ENTER)
    assert (count(window), chips(window)) == ("800 pictures", ["area of the map"])
    canvas.send_keys("+", "+", "+", "+", Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ENTER)
    shown = int(count(window).partition(" ")[0])
    assert 0 <= shown < 800
    canvas.send_keys("0", Keys.ENTER)
    assert count(window) == "800 pictures"


def test_the_order_goes_both_ways(window: webdriver.Chrome) -> None:
    assert names(window)[:2] == ["000000.jpg", "000001.jpg"]  # the lowest scores
    turn = ".sheet .head button"
    window.find_element(By.CSS_SELECTOR, turn).click()
    assert set(texts(window, ".tile .number")[:8]) == {"99%"}
    choose(window, "Order of pictures", "name")
    assert names(window)[:2] == ["IMG_0799.jpg", "IMG_0798.jpg"]
    window.find_element(By.CSS_SELECTOR, turn).click()
    assert names(window)[:2] == ["000000.jpg", "000001.jpg"]
    choose(window, "Order of pictures", "label")
    assert set(texts(window, ".tile .word")) == {"Egyptian cat"}
    choose(window, "Order of classes", "name")
    words = texts(window, ".bar .word")
    assert words == sorted(words, key=str.casefold)


def test_a_picture_is_looked_at_large_with_the_keyboard(window: webdriver.Chrome) -> None:
    click(window, ".tile", "")
    assert texts(window, "#zoom h2") == ["000000.jpg"]
    press(window, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert texts(window, "#zoom h2") == ["000002.jpg"]
    press(window, Keys.ARROW_LEFT)
    assert texts(window, "#zoom dd")[0] == "tiger cat <1%"
    assert texts(window, "#zoom dd")[1] == "right"
    assert len(texts(window, "#zoom .guesses li")) == 5
    image = "return document.querySelector('#zoom .large img').naturalWidth"
    eventually(lambda: window.execute_script(image), 96)  # the original, from disk
    near = window.find_elements(By.CSS_SELECTOR, "#zoom .near button")
    assert len(near) == 5
    assert {each.find_element(By.CSS_SELECTOR, ".word").text for each in near} == {"tiger cat"}
    said = near[0].get_attribute("title") or ""
    near[0].click()
    assert texts(window, "#zoom h2")[0] in said
    press(window, Keys.ESCAPE)
    eventually(lambda: texts(window, "#zoom h2"), [])
    assert window.switch_to.active_element.get_attribute("role") == "option"
    press(window, Keys.HOME)
    press(window, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER)
    across = window.execute_script(
        "return [...document.querySelectorAll('.tile')].filter((t) => t.style.top === '0px').length"
    )
    assert texts(window, "#zoom h2") == [f"{across + 1:06d}.jpg"]
    press(window, Keys.ESCAPE)
    eventually(lambda: texts(window, "#zoom h2"), [])
    press(window, Keys.END)
    assert window.switch_to.active_element.get_attribute("aria-posinset") == "800"


def test_from_a_picture_to_its_place_and_to_its_like(window: webdriver.Chrome) -> None:
    click(window, ".tile", "")
    click(window, "#zoom button", "Only tabby")
    assert (count(window), chips(window)) == ("100 of 800 pictures", ["tabby"])
    click(window, ".tile", "")
    click(window, "#zoom button", "On the map")
    eventually(lambda: window.switch_to.active_element.tag_name, "canvas")


def test_a_selection_is_saved_and_labelled_again(
    window: webdriver.Chrome, tmp_path: Path, stand_in_file: Path
) -> None:
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path)}
    window.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    first = window.find_element(By.CSS_SELECTOR, ".tile")
    ActionChains(window).move_to_element(first).perform()
    first.find_element(By.CSS_SELECTOR, ".tick").click()
    press(window, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.SPACE)
    assert len(texts(window, ".tile[aria-selected=true]")) == 2
    click(window, ".selection button", "2 selected")
    assert count(window) == "2 of 800 pictures"
    click(window, ".selection button", "Save list")
    saved = tmp_path / "selected.csv"
    eventually(lambda: saved.exists() and saved.stat().st_size > 0, True)
    with saved.open(encoding="utf-8", newline="") as file:
        uris = [row["uri"] for row in csv.DictReader(file)]
    assert [Path(uri).name for uri in uris] == ["000000.jpg", "000002.jpg"]
    words = ["label", "--input", saved, "--output", tmp_path / "again", "--model", stand_in_file]
    assert main([*map(str, words), "--quiet"]) == 0
    again = ds.dataset(sorted((tmp_path / "again").glob("predictions-*.parquet"))).to_table()
    assert sorted(again["uri"].to_pylist()) == sorted(uris)
    click(window, ".selection button", "Deselect")
    assert count(window) == "800 pictures"


def test_what_is_shown_is_copied_where_nothing_is_selected(window: webdriver.Chrome) -> None:
    press(window, "/")
    press(window, "img_003")
    click(window, ".selection button", "Copy")
    window.execute_script("document.body.append(document.createElement('textarea'))")
    area = window.find_element(By.TAG_NAME, "textarea")
    area.send_keys(Keys.CONTROL, "v")
    pasted = (area.get_attribute("value") or "").split("\n")
    assert sorted(pasted) == [f"/gone/IMG_003{digit}.jpg" for digit in range(10)]


@pytest.mark.parametrize("width", [360, 700])
def test_a_narrow_page_shows_one_view_at_a_time(window: webdriver.Chrome, width: int) -> None:
    metrics = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        views = {"Sheet": ".sheet", "Map": ".plane", "Classes": ".side"}
        for name, selector in views.items():
            click(window, ".switch button", name)
            seen = [
                each
                for each in views.values()
                if window.find_element(By.CSS_SELECTOR, each).is_displayed()
            ]
            assert seen == [selector]
            wide = "return document.documentElement.scrollWidth"
            assert window.execute_script(wide) == width  # nothing is scrolled sideways
        click(window, ".switch button", "Sheet")
        click(window, ".tile", "")
        assert texts(window, "#zoom h2") == ["000000.jpg"]
        assert window.execute_script("return document.querySelector('#zoom').scrollWidth") == width
    finally:
        window.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_filtered_and_walked(
    tmp_path: Path, browser: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short vectors and few steps: where a picture lies is not the point here.
    rows = (row._replace(embedding=row.embedding[:16]) for row in plausible(100_000))
    write_run(tmp_path / "labels", rows, some_failures(300), model={"feature_size": 16})
    monkeypatch.setattr("pipeline.explore.vector_map._FIRST_STEPS", 5)
    monkeypatch.setattr("pipeline.explore.vector_map._STEPS", 5)
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = tmp_path / "labels/__report/index.html"
    assert page.stat().st_size < 15_000_000
    open_page(browser, page)
    assert count(browser) == "100,000 pictures"
    tags = "return document.querySelectorAll('*').length"
    assert browser.execute_script(tags) < 4_000
    found = data(browser)
    assert len(decoded(found["near"]["row"])) == 500_000
    press(browser, "/")
    press(browser, "IMG_00999")
    assert count(browser) == "100 of 100,000 pictures"
    press(browser, Keys.ENTER)
    press(browser, Keys.END, Keys.ENTER)
    assert len(texts(browser, "#zoom .near button")) == 5
    press(browser, Keys.ESCAPE)
    eventually(lambda: texts(browser, "#zoom h2"), [])
    click(browser, "button", "Clear all")
    click(browser, ".tile", "")
    press(browser, Keys.ESCAPE)
    eventually(lambda: texts(browser, "#zoom h2"), [])
    press(browser, Keys.END)
    assert browser.switch_to.active_element.get_attribute("aria-posinset") == "100000"
    browser.find_element(By.CSS_SELECTOR, "canvas").send_keys("+", "+", "+", Keys.ENTER)
    assert 0 < int(count(browser).partition(" ")[0].replace(",", "")) < 100_000
    assert browser.execute_script(tags) < 4_000  # however far one scrolls
    assert faults(browser) == []
