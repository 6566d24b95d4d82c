"""`quantlabel report`, seen through a real browser where it is about what one sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipeline.cli import main
from tests.helpers.browser import chromium, complaints, open_page, texts
from tests.helpers.finished_runs import plausible, row_of_file, write_run
from tests.helpers.looking import click, eventually, faults
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import failed, labelled, prediction


@pytest.fixture(scope="module")
def window() -> Iterator[webdriver.Chrome]:
    with chromium() as started:
        yield started


def test_names_are_text_and_never_markup(tmp_path: Path, window: webdriver.Chrome) -> None:
    wild, other = "<img src=x onerror=alert(2)>", os.fsdecode(b"caf\xe9#1.jpg")
    folder = tmp_path / "photos" / "<script>alert(1)<"
    folder.mkdir(parents=True)
    names = [
        "script>.jpg",
        "</script><script>alert(3)<!--.jpg".replace("/", ""),
        "&lt;b&gt;'\".jpg",
    ]
    make_pictures(tmp_path / "plain", count=3)
    for number, name in enumerate(names):
        (tmp_path / f"plain/{number:06d}.jpg").rename(folder / name)
    shutil.copy(folder / names[0], folder / other)
    rows = [
        row_of_file(folder / name, number, label=wild, score=0.5)
        for number, name in enumerate([*names, other])
    ]
    bad = failed(9)._replace(uri=f"/x/{wild}</script>", message="</td><script>alert(4)</script>")
    write_run(tmp_path / "<b>labels", rows, [bad], skipped=3)
    assert main(["report", str(tmp_path / "<b>labels")]) == 0
    open_page(window, tmp_path / "<b>labels/__report/index.html")
    assert window.title == "5 pictures in <b>labels - quantlabel report"
    assert complaints(window) == []
    assert window.execute_script("return document.scripts.length") == 4
    marked = "return document.querySelectorAll('img[src=x], #main b b').length"
    assert window.execute_script(marked) == 0
    assert sorted(texts(window, ".tile .name")) == sorted([*names, r"caf\xe9#1.jpg"])
    assert set(texts(window, ".tile .word")) == {wild}
    links = []
    for tile in window.find_elements(By.CSS_SELECTOR, ".tile"):
        tile.click()
        assert texts(window, "#zoom .guesses .word")[0] == wild
        links.append(window.find_element(By.CSS_SELECTOR, "#zoom a").get_attribute("href") or "")
        window.switch_to.active_element.send_keys(Keys.ESCAPE)
    _facts(window)
    assert texts(window, "#failures code") == [f"/x/{wild}</script>"]
    assert texts(window, "#failures td .soft") == ["</td><script>alert(4)</script>"]
    for link in links:  # names with every special character are still found on disk
        window.get(link)
        assert window.execute_script("return document.images[0].naturalWidth") == 96


def _facts(window: webdriver.Chrome) -> None:
    window.find_element(By.LINK_TEXT, "Facts").click()
    eventually(lambda: texts(window, ".tabs [aria-current]"), ["Facts"])


def test_a_page_shows_pictures_or_says_why_not(
    tmp_path: Path, window: webdriver.Chrome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/key.json")
    make_pictures(tmp_path / "photos", count=4)
    paths = sorted((tmp_path / "photos").iterdir())
    rows = [
        row_of_file(path, number, label="tabby", score=0.9 - number / 10)
        for number, path in enumerate(paths)
    ]
    paths[1].unlink()
    paths[2].write_bytes(paths[0].read_bytes())
    write_run(tmp_path / "labels", [*rows, prediction(9, uri="gs://bucket/far.jpg")])
    assert main(["report", str(tmp_path / "labels")]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    tiles = window.find_elements(By.CSS_SELECTOR, ".tile")
    frames = [tile.find_element(By.CSS_SELECTOR, ".frame").text for tile in tiles]
    assert frames[0].startswith("gs:// needs Google credentials: File /no/such/key.json was")
    assert frames[1:] == ["", "changed since it was labelled", "No such file or directory", ""]
    widths = "return [...document.querySelectorAll('.tile img')].map((i) => i.naturalWidth)"
    assert window.execute_script(widths) == [96, 96]
    tiles[4].click()
    assert texts(window, "#zoom .guesses .word") == ["tabby", "other"]
    assert texts(window, "#zoom .guesses .number") == ["90%", "1%"]


def test_parts_and_sections_are_found_with_the_keyboard(
    tmp_path: Path, window: webdriver.Chrome
) -> None:
    write_run(tmp_path / "labels", list(plausible(60)))
    assert main(["report", str(tmp_path / "labels")]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    window.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert window.switch_to.active_element.text == "Skip to the content"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert window.execute_script(outline) == "solid"
    for _ in range(2):
        window.switch_to.active_element.send_keys(Keys.TAB)
    window.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: texts(window, ".tabs [aria-current]"), ["Facts"])
    assert texts(window, ".tiles b")[:2] == ["60", "60"]
    assert not window.find_element(By.CSS_SELECTOR, ".sheet").is_displayed()
    window.get(f"{window.current_url.partition('#')[0]}#identity")  # as somebody sends a link
    eventually(lambda: texts(window, ".tabs [aria-current]"), ["Facts"])
    window.get(f"{window.current_url.partition('#')[0]}#pictures")
    eventually(lambda: texts(window, ".tabs [aria-current]"), ["Pictures"])


@pytest.mark.parametrize(("scheme", "back"), [("light", 246), ("dark", 17)])
def test_it_follows_the_scheme_of_the_reader(
    tmp_path: Path, window: webdriver.Chrome, scheme: str, back: int
) -> None:
    write_run(tmp_path / "labels", list(plausible(20)))
    assert main(["report", str(tmp_path / "labels")]) == 0
    open_page(
        window,
        tmp_path / "labels/__report/index.html",
        scheme="dark" if scheme == "dark" else "light",
    )
    colour = window.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert colour.startswith(f"rgb({back}, ")


def test_every_control_has_a_name(tmp_path: Path, window: webdriver.Chrome) -> None:
    write_run(tmp_path / "labels", list(plausible(60)), [failed(number) for number in range(2)])
    assert main(["report", str(tmp_path / "labels")]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    kinds = ["button", "input", "select", "svg", "section", "nav", "canvas"]
    kinds += ["[role=option]", "[role=listbox]", "[role=list]", "[role=group]"]
    _all_named(window, *kinds)
    click(window, ".tile", "")
    _all_named(window, "dialog", "dialog button")
    window.switch_to.active_element.send_keys(Keys.ESCAPE)
    _facts(window)
    _all_named(window, "#facts section", "#facts nav", "svg.chart")


def _all_named(window: webdriver.Chrome, *selectors: str) -> None:
    seen = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())"
    for selector in selectors:
        found = window.execute_script(seen, selector)
        assert found, selector
        assert all(each.accessible_name for each in found), selector


def test_an_evaluation_of_the_same_run_is_shown(tmp_path: Path, window: webdriver.Chrome) -> None:
    labels, truth = tmp_path / "labels", tmp_path / "truth.csv"
    rows = [
        labelled(f"/photos/{number}.jpg", {1 + number % 2: 0.95 - number / 100, 9: 0.01})
        for number in range(40)
    ]
    write_run(labels, rows)
    truth.write_text("file,class_id\n" + "".join(f"{n}.jpg,1\n" for n in range(40)), "utf-8")
    assert main(["evaluate", str(labels), "--truth", str(truth)]) == 0
    assert main(["report", str(labels)]) == 0
    open_page(window, labels / "__report/index.html")
    assert [each.partition("\n")[2] for each in texts(window, ".truth button")] == [
        "40",
        "20",
        "20",
    ]
    _facts(window)
    assert texts(window, "#evaluation b")[:1] == ["50.0%"]
    assert texts(window, "#evaluation figcaption") == [
        "What a threshold on the score leaves, and how often that is right",
        "How often a score is right",
    ]
    drawn = window.find_elements(By.CSS_SELECTOR, "#evaluation polyline")
    assert [len((line.get_attribute("points") or "").split()) for line in drawn] == [100, 96, 5, 2]
    manifest = (labels / "_MANIFEST.json").read_text("utf-8")
    (labels / "_MANIFEST.json").write_text(manifest.replace("03:04:05", "03:04:06"))
    assert main(["report", str(labels)]) == 0  # labelled again: the figures are of another run
    open_page(window, labels / "__report/index.html")
    assert texts(window, "#evaluation, nav a[href='#evaluation'], .truth button") == []


def test_a_run_without_pictures_to_show(tmp_path: Path, window: webdriver.Chrome) -> None:
    write_run(tmp_path / "labels", list(plausible(30)))
    assert main(["report", str(tmp_path / "labels"), "--max-pictures", "0"]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    assert len(texts(window, ".tile")) > 10
    assert faults(window) == []


def test_a_page_for_everybody_has_no_paths(tmp_path: Path, window: webdriver.Chrome) -> None:
    secret = tmp_path / "secret-folder"
    make_pictures(secret, count=3)
    rows = [
        row_of_file(path, number, label="tabby", score=0.9)._replace(meta='{"who": "secret-name"}')
        for number, path in enumerate(sorted(secret.iterdir()))
    ]
    rows[2] = rows[2]._replace(uri="https://secret-host/a/far.jpg?x=secret-query")
    bad = failed(9)._replace(uri=f"{secret}/bad.jpg", message=f"{secret}: cut short")
    options = {
        "inputs": [str(secret)],
        "output": str(secret),
        "model": f"{secret}/net.tflite",
        "label_map": f"{secret}/map.json",
    }
    model = {"name": f"{secret}/net.tflite"}
    labels = tmp_path / "labels"
    write_run(labels, rows, [bad], options=options, model=model)
    truth = secret / "truth.csv"
    truth.write_text("file,class_id\n000000.jpg,15\n000001.jpg,1\n", "utf-8")
    assert main(["evaluate", str(labels), "--truth", str(truth)]) == 0
    assert main(["report", str(labels), "--no-paths"]) == 0
    page = labels / "__report/index.html"
    html = page.read_text("utf-8")
    assert "secret" not in html
    assert str(tmp_path) not in html
    open_page(window, page)
    assert sorted(texts(window, ".tile .name")) == ["000000.jpg", "far.jpg", "is tench"]
    click(window, ".tile", "")
    assert texts(window, "#zoom a") == []
    assert window.execute_script("return document.querySelectorAll('[src^=file]').length") == 0
