"""The pictures of what users see. `make pictures` has these tests write them to docs/pictures."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By

from pipeline.cli import main
from tests.helpers.browser import chromium, complaints, open_page
from tests.helpers.finished_runs import write_run
from tests.helpers.gallery import (
    Screen,
    bars,
    drawn,
    guesses,
    in_terminal,
    lasting,
    take_pictures,
    terminal_environment,
)
from tests.helpers.looking import choose, click, eventually
from tests.helpers.runs import copy_pictures
from transforms.records import Failure
from transforms.rows.reader import read_failures

MAX_BYTES = 60_000
OWN = {"mountains": (971, 973, 980, 981), "water": (975, 976, 978, 979), "buildings": (484,)}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: thrown away after the tests unless somebody asked for them."""
    asked = os.environ.get("QUANTLABEL_PICTURES")
    if not asked:
        return tmp_path_factory.mktemp("pictures")
    Path(asked).mkdir(parents=True, exist_ok=True)
    return Path(asked).resolve()


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Iterator[Path]:
    """A folder with `photos`, labelled as `trip`, and with plausible labels as `holiday`.

    `places` is the same with a label map. The folder's name is seen in the pictures, hence a short
    one for those that are kept.
    """
    folder = tmp_path_factory.mktemp("trip")
    if "QUANTLABEL_PICTURES" in os.environ:
        folder = Path(tempfile.gettempdir()) / "me"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    take_pictures(folder / "photos")
    shutil.copy(stand_in_file, folder / "model.tflite")
    words = ["label", "--input", "photos", "--output", "trip", "--model", "model.tflite"]
    in_terminal(words, folder=folder)
    manifest = json.loads((folder / "trip/_MANIFEST.json").read_bytes())
    failures = [
        Failure(**row)
        for path in (folder / "trip").glob("__failures/failures-*")
        for table in read_failures(str(path))
        for row in table.to_pylist()
    ]
    kept = {name: manifest[name] for name in ("model", "preprocess", "options")}
    write_run(folder / "holiday", guesses(folder / "trip", OWN), failures, **kept)
    own = {"threshold": 0.5, "labels": {label: list(ids) for label, ids in OWN.items()}}
    mapped = guesses(folder / "trip", OWN)
    write_run(folder / "places", mapped, failures, **kept, label_map=own)
    yield folder
    if "QUANTLABEL_PICTURES" in os.environ:
        shutil.rmtree(folder)


Run = Callable[[str], str]


@pytest.fixture
def run(trip: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in the folder of the trip, as on a terminal; returns what stays on it."""

    def typed(line: str) -> str:
        screen = Screen()
        with monkeypatch.context() as patch:
            patch.chdir(trip)
            for name, value in terminal_environment().items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            assert main(line.split()[1:]) == 0, screen.getvalue()
        return lasting(screen.getvalue())

    return typed


def _keep(target: Path, name: str, *commands: tuple[str, str], shows: tuple[str, ...]) -> None:
    """Draws a terminal; each of the texts must be readable in the picture."""
    path = target / f"{name}.svg"
    path.write_text(drawn(*commands), "utf-8")
    lines: dict[str, str] = {}
    for part in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"):
        line = part.get("clip-path") or ""
        lines[line] = lines.get(line, "") + "".join(part.itertext())
    text = "\n".join(lines.values()).replace("\xa0", " ")
    for expected in shows:
        assert expected in text, text
    assert path.stat().st_size < MAX_BYTES


def test_label(trip: Path, target: Path) -> None:
    shutil.copytree(trip / "photos", trip / "archive")
    copy_pictures(trip / "archive/castle", count=1_500)
    line = "quantlabel label --input archive --output labels --model model.tflite"
    written = in_terminal(line.split()[1:], folder=trip)
    states = bars(written)
    _keep(
        target,
        "label",
        (line, f"{states[len(states) // 2]}\n{lasting(written)}"),
        shows=("Labelling", "/1,682", "1,680", "1 empty, 1 truncated"),
    )


def test_plan(run: Run, target: Path) -> None:
    line = "quantlabel plan --input photos --model model.tflite"
    _keep(target, "plan", (line, run(line)), shows=("2 of 182 tried: 1 empty, 1 truncated",))


def test_verify(run: Run, target: Path) -> None:
    written = run("quantlabel verify trip")
    _keep(target, "verify", ("quantlabel verify trip", written), shows=("labelled again  ok",))


def test_labels_search(run: Run, target: Path) -> None:
    line = "quantlabel labels search cat"
    _keep(target, "labels-search", (line, run(line)), shows=("n02123045", "tabby"))


def test_head(run: Run, target: Path) -> None:
    lines = ("quantlabel head fit holiday --truth folders", "quantlabel head apply holiday")
    written = [(line, run(line)) for line in lines]
    _keep(target, "head", *written, shows=("castle", "180"))


def test_search(run: Run, target: Path) -> None:
    line = "quantlabel search holiday --like photos/volcano/IMG_0803.jpg -k 8"
    _keep(target, "search", (line, run(line)), shows=("photos/volcano/IMG_0803.jpg",))


def test_review(run: Run, target: Path) -> None:
    line = "quantlabel review holiday --budget 30"
    written = run(line)
    _keep(target, "review", (line, written), shows=("27 uncertain, 3 at random",))


def test_export(run: Run, trip: Path, target: Path) -> None:
    line = "quantlabel export holiday --to csv"
    written = run(line)
    table = pandas.read_csv(trip / "holiday/__export/csv/predictions.csv")
    table["uri"] = [Path(uri).name for uri in table["uri"]]
    shown = table[["uri", "label", "score", "label_2", "score_2", "width"]].head(8)
    read = "python -c \"import pandas; print(pandas.read_csv('predictions.csv')[...])\""
    _keep(target, "export", (line, written), (read, str(shown)), shows=("IMG_0100.jpg", "label_2"))


@pytest.fixture(scope="module")
def window() -> Iterator[webdriver.Chrome]:
    with chromium(width=1180, height=1000) as started:
        yield started


def test_evaluate(run: Run, trip: Path, target: Path, window: webdriver.Chrome) -> None:
    line = "quantlabel evaluate holiday --truth folders"
    _keep(target, "evaluate", (line, run(line)), shows=("top-1", "of 182"))
    run("quantlabel report holiday")
    _open_facts(window, trip / "holiday/__report/index.html")
    _shoot(window, "#evaluation", target / "evaluation.webp", shows=("top-1", "How often a score"))


def test_report(run: Run, trip: Path, target: Path, window: webdriver.Chrome) -> None:
    run("quantlabel evaluate holiday --truth folders --labels network")
    run("quantlabel report holiday --labels network")
    page = trip / "holiday/__report/index.html"
    open_page(window, page)
    choose(window, "Colour of points", "label")
    _shoot(window, "body", target / "report.webp", shows=("180 pictures", "castle", "Mistakes"))
    open_page(window, page, scheme="dark")
    click(window, ".bar", "castle")
    window.find_element(By.CSS_SELECTOR, ".tile:nth-child(3)").click()
    shows = ("Best classes", "castle", "Most like it")
    _shoot(window, "#zoom", target / "report-dark.webp", shows=shows)


def _open_facts(window: webdriver.Chrome, page: Path) -> None:
    open_page(window, page)
    window.find_element(By.LINK_TEXT, "Facts").click()
    eventually(lambda: window.find_element(By.ID, "facts").is_displayed(), True)


def test_duplicates(run: Run, trip: Path, target: Path, window: webdriver.Chrome) -> None:
    run("quantlabel duplicates holiday")
    run("quantlabel report holiday")
    _open_facts(window, trip / "holiday/__report/index.html")
    _shoot(window, "#duplicates", target / "duplicates.webp", shows=("the same or nearly",))


def test_label_map(run: Run, trip: Path, target: Path, window: webdriver.Chrome) -> None:
    run("quantlabel report places")
    _open_facts(window, trip / "places/__report/index.html")
    _shoot(window, "#classes", target / "label-map.webp", shows=("mountains", "no label, below"))


def _shoot(window: webdriver.Chrome, selector: str, path: Path, *, shows: tuple[str, ...]) -> None:
    """Takes a picture of the upper part of an element, which must show each of the texts."""
    element = window.find_element(By.CSS_SELECTOR, selector)
    eventually(lambda: [text for text in shows if text not in element.text], [])
    assert complaints(window) == []
    # Pictures are loaded when they come into view.
    window.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", element)
    eventually(lambda: window.execute_script(_NOT_LOADED, element), 0)
    place = element.rect
    area = {name: place[name] for name in ("x", "y", "width")}
    area |= {"height": min(place["height"], 0.9 * place["width"]), "scale": 1}
    shot = window.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": area}
    )
    with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
        assert len(np.unique(np.asarray(image).reshape(-1, 4), axis=0)) > 100  # not blank
        image.save(path, quality=60, method=6)
    assert path.stat().st_size < MAX_BYTES


_NOT_LOADED = """
const seen = (image) => image.checkVisibility() && image.getBoundingClientRect().top < innerHeight;
const images = [...arguments[0].querySelectorAll("img")];
return images.filter((image) => seen(image) && !image.naturalWidth).length;
"""
