"""`quantlabel report`, seen through a real browser where it is about what one sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from pipeline.cli import main
from tests.helpers.browser import chromium, complaints, open_page, texts
from tests.helpers.finished_runs import plausible, row_of_file, some_failures, write_run
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import failed, labelled, prediction


@pytest.fixture(scope="module")
def window() -> Iterator[webdriver.Chrome]:
    with chromium() as started:
        yield started


def _button(window: webdriver.Chrome, section: str, name: str) -> WebElement:
    return window.find_element(By.XPATH, f"//section[@id='{section}']//button[text()='{name}']")


def _shown(window: webdriver.Chrome, section: str) -> str:
    return window.find_element(By.CSS_SELECTOR, f"#{section} output").text


def test_names_are_text_and_never_markup(tmp_path: Path, window: webdriver.Chrome) -> None:
    wild = "<img src=x onerror=alert(2)>"
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
    rows = [
        row_of_file(folder / name, number, label=wild, score=0.5)
        for number, name in enumerate(names)
    ]
    bad = failed(9)._replace(uri=f"/x/{wild}</script>", message="</td><script>alert(4)</script>")
    write_run(tmp_path / "<b>labels", rows, [bad], skipped=3)
    assert main(["report", str(tmp_path / "<b>labels")]) == 0
    open_page(window, tmp_path / "<b>labels/__report/index.html")
    assert window.title == "4 pictures in <b>labels - quantlabel report"
    assert complaints(window) == []
    assert window.execute_script("return document.scripts.length") == 2
    assert (
        window.execute_script("return document.querySelectorAll('img[src=x], #main b b').length")
        == 0
    )
    assert sorted(texts(window, "#sheet .name")) == sorted(names)
    assert texts(window, "#sheet h3") == [wild]
    assert texts(window, "#failures code") == [f"/x/{wild}</script>"]
    assert texts(window, "#failures td .soft") == ["</td><script>alert(4)</script>"]
    link = window.find_element(By.CSS_SELECTOR, "#sheet a.frame").get_attribute("href")
    assert link is not None
    window.get(link)  # names with every special character are still found on disk
    assert window.execute_script("return document.images[0].naturalWidth") == 96


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
    cards = "#uncertain .gallery > li"
    assert len(texts(window, cards)) == 5
    sheet = window.find_elements(By.CSS_SELECTOR, "#sheet .gallery > li")
    frames = [card.find_element(By.CSS_SELECTOR, ".frame").text for card in sheet]
    assert frames.pop().startswith("gs:// needs Google credentials: File /no/such/key.json was")
    assert frames == [
        "",
        "No such file or directory",
        "changed since it was labelled",
        "",
    ]
    widths = "return [...document.querySelectorAll('#sheet img')].map((i) => i.naturalWidth)"
    assert window.execute_script(widths) == [96, 96]
    assert sheet[0].find_element(By.CSS_SELECTOR, "ol").text.split("\n") == [
        "tabby",
        "90%",
        "other",
        "1%",
    ]


def test_ten_thousand_rows_stay_a_small_page(tmp_path: Path, window: webdriver.Chrome) -> None:
    write_run(tmp_path / "labels", list(plausible(10_000)), some_failures(40))
    assert main(["report", str(tmp_path / "labels"), "--max-pictures", "600"]) == 0
    page = tmp_path / "labels/__report/index.html"
    assert page.stat().st_size < 600_000  # the pictures are gone: names and scores alone
    open_page(window, page)
    assert window.execute_script("return document.querySelectorAll('*').length") < 4_000
    assert texts(window, ".tiles b")[:3] == ["10,040", "10,000", "40"]
    assert _shown(window, "uncertain") == "1 to 24 of 120"
    assert _shown(window, "classes").startswith("1 to 10 of ")


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_paged_with_the_keyboard(
    tmp_path: Path, window: webdriver.Chrome
) -> None:
    write_run(tmp_path / "labels", plausible(100_000), some_failures(300))
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = tmp_path / "labels/__report/index.html"
    assert page.stat().st_size < 600_000
    open_page(window, page)
    tags = "return document.querySelectorAll('*').length"
    assert window.execute_script(tags) < 4_000
    assert texts(window, ".tiles b")[:3] == ["100,300", "100,000", "300"]
    classes = int(texts(window, ".tiles b")[3])
    assert classes == 851
    assert _shown(window, "classes") == f"1 to 10 of {classes}"
    first = texts(window, "#classes tbody td:first-child")
    following = _button(window, "classes", "Next")
    for _ in range(60):  # as somebody does who has no mouse
        window.switch_to.active_element.send_keys(Keys.TAB)
        if window.switch_to.active_element == following:
            break
    for _ in range(5):
        window.switch_to.active_element.send_keys(Keys.ENTER)
    assert _shown(window, "classes") == f"51 to 60 of {classes}"
    assert not set(first) & set(texts(window, "#classes tbody td:first-child"))
    assert window.execute_script(tags) < 4_000  # however far one turns
    assert complaints(window) == []


def test_it_is_used_with_the_keyboard(tmp_path: Path, window: webdriver.Chrome) -> None:
    write_run(tmp_path / "labels", list(plausible(300)))
    assert main(["report", str(tmp_path / "labels")]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    window.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert window.switch_to.active_element.text == "Skip to the content"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert window.execute_script(outline) == "solid"
    following = _button(window, "uncertain", "Next")
    window.execute_script("arguments[0].focus()", following)
    following.send_keys(Keys.ENTER)
    assert _shown(window, "uncertain") == "25 to 48 of 100"
    assert window.switch_to.active_element == following
    _button(window, "uncertain", "Previous").send_keys(Keys.SPACE)
    assert _shown(window, "uncertain") == "1 to 24 of 100"
    search = window.find_element(By.CSS_SELECTOR, "#classes input[type=search]")
    search.send_keys("no class has this name")
    assert texts(window, "#classes .body") == ["Nothing matches."]
    search.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    _button(window, "classes", "Class").send_keys(Keys.ENTER)
    labels = texts(window, "#classes tbody td:first-child")
    assert labels == sorted(labels, key=str.casefold)
    assert window.find_element(By.CSS_SELECTOR, "#classes th[aria-sort]").text == "Class ▾"


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
    for selector in ("button", "input", "select", "svg.chart", "section", "nav"):
        names = [each.accessible_name for each in window.find_elements(By.CSS_SELECTOR, selector)]
        assert names
        assert all(names), (selector, names)


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
    assert texts(window, "#evaluation, nav a[href='#evaluation']") == []


def test_a_run_without_pictures_to_show(tmp_path: Path, window: webdriver.Chrome) -> None:
    write_run(tmp_path / "labels", list(plausible(30)))
    assert main(["report", str(tmp_path / "labels"), "--max-pictures", "0"]) == 0
    open_page(window, tmp_path / "labels/__report/index.html")
    assert texts(window, "#sheet .empty") == ["No pictures were asked for (--max-pictures)."]
    assert complaints(window) == []
