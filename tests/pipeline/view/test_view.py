"""The page of a run from its server: by HTTP, and in a browser."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from selenium.webdriver.common.by import By

from pipeline.cli import main
from pipeline.report.options import ReportOptions
from pipeline.report.write import gather
from pipeline.view.options import ViewOptions
from pipeline.view.server import PageServer
from pipeline.view.view import routes
from tests.helpers.browser import chromium, texts
from tests.helpers.contents import contents
from tests.helpers.looking import chips, click, count, eventually, faults, names
from tests.helpers.pictures import make_pictures
from transforms.rows.reader import read_predictions

LIKE_000002 = "like 000002.jpg\nClear all"
"""The filters after a search by that picture."""


class Shown(NamedTuple):
    """A run and the server of its page.

    Attributes:
        folder: that holds `photos` and `labels`.
        server: that answers.
        saved: paths of the selections that were saved.
    """

    folder: Path
    server: PageServer
    saved: list[str]

    def ask(self, path: str, *, body: bytes | None = None) -> tuple[int, bytes, str]:
        """Status, body and media type of what stands at a path behind the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        method = "GET" if body is None else "POST"
        connection.request(method, f"/{self.server.token}/{path}", body)
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers["Content-Type"]
        connection.close()
        return found

    def told(self, path: str, *, body: bytes | None = None) -> tuple[int, Any]:
        """Status and JSON."""
        status, content, _ = self.ask(path, body=body)
        return status, json.loads(content)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Iterator[Shown]:
    """Eight pictures as JPEG, one as TIFF; one is gone since; no thumbnails."""
    folder = tmp_path_factory.mktemp("view")
    make_pictures(folder / "photos", count=8)
    Image.open(folder / "photos/000007.jpg").save(folder / "photos/tiff.tiff")
    words = ["label", "--quiet", "--input", folder / "photos", "--output", folder / "labels"]
    assert main([*map(str, words), "--model", str(stand_in_file)]) == 0
    (folder / "photos/000003.jpg").rename(folder / "gone.jpg")
    run, saved = str(folder / "labels"), list[str]()
    gathered = gather(ReportOptions(folder=run, max_pictures=0))
    found = routes(gathered, ViewOptions(folder=run), saved)
    with PageServer(found, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Shown(folder, server, saved)
        server.shutdown()
        thread.join()


def test_the_page_asks_this_server_and_no_other(shown: Shown) -> None:
    status, content, type_ = shown.ask("")
    assert (status, type_) == (200, "text/html; charset=utf-8")
    page = content.decode()
    assert "9 pictures in labels" in page
    assert '"endpoint":"picture/{row}"' in page
    assert "default-src 'none'; img-src &#39;self&#39; data:;" in page
    assert "connect-src 'self'; base-uri 'none'; form-action 'none'" in page
    assert shown.ask("/x")[0] == 404


def test_pictures_by_the_number_of_their_row(shown: Shown) -> None:
    photos = shown.folder / "photos"
    # Rows are sorted by uri.
    assert shown.ask("picture/0") == (200, (photos / "000000.jpg").read_bytes(), "image/jpeg")
    status, content, type_ = shown.ask("picture/8")
    assert (status, type_, content[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")
    assert shown.told("picture/3") == (404, {"error": "No such file or directory"})


@pytest.mark.parametrize(
    "row",
    [
        *("9", "-1", "", "x", "0/..", "../0", "%30", "0x0", "0.0", "+1", "9" * 30, "..%2f..%2fetc"),
        *("/etc/passwd", "\xb2"),
    ],
)
def test_nothing_but_rows_can_be_asked_for(shown: Shown, row: str) -> None:
    for route in ("picture", "like"):
        _require_no_row(shown, f"/{shown.server.token}/{route}/{row}".encode("latin-1"))


def _require_no_row(shown: Shown, path: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shown.server.server_port, timeout=60)
    connection.putrequest("GET", "/")
    connection._buffer[0] = b"GET " + path + b" HTTP/1.1"  # type: ignore[attr-defined]
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (404, {"error": "there is no such row"})
    connection.close()


def test_a_search_by_a_picture_finds_it_and_its_like(shown: Shown) -> None:
    data = (shown.folder / "photos/000002.jpg").read_bytes()
    status, found = shown.told("search", body=data)
    assert status == 200
    near = found["near"]
    assert near[0] == [2, 1.0]
    assert sorted(row for row, _ in near) == list(range(9))
    cosines = [cosine for _, cosine in near]
    assert cosines == sorted(cosines, reverse=True)
    assert shown.told("search", body=(shown.folder / "gone.jpg").read_bytes())[1]["near"][0][0] == 3


def test_what_is_like_a_row_needs_no_model(shown: Shown) -> None:
    status, found = shown.told("like/2")
    searched = shown.told("search", body=(shown.folder / "photos/000002.jpg").read_bytes())
    assert (status, found) == searched
    assert (status, found["near"][0], len(found["near"])) == (200, [2, 1.0], 9)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "empty: the file is empty"),
        (b"<html>", "unknown_format: not a picture of a format that is known"),
    ],
)
def test_a_search_by_what_is_no_picture(shown: Shown, body: bytes, expected: str) -> None:
    assert shown.told("search", body=body) == (422, {"error": expected})


def test_a_selection_is_saved_and_labelled_again(
    shown: Shown, tmp_path: Path, stand_in_file: Path
) -> None:
    labels = shown.folder / "labels"
    before = contents(labels)
    path = f"{labels}/__selections/mine.csv"
    assert shown.told("selections/mine", body=b"[1, 0]") == (201, {"path": path, "rows": 2})
    assert path in shown.saved
    assert shown.told("selections/mine") == (200, {"rows": [0, 1]})
    assert "mine" in shown.told("selections")[1]["names"]
    assert shown.told("selections/mine", body=b"[2]")[0] == 409
    assert shown.told("selections/..%2fmine", body=b"[2]")[0] == 400
    assert shown.told("selections/../../mine", body=b"[2]")[0] == 400
    after = contents(labels)
    assert {name for name in after if name not in before} <= {
        "__selections/_QUANTLABEL.json",
        "__selections/mine.csv",
    }
    assert {name: after[name] for name in before if "__selections" not in name} == {
        name: before[name] for name in before if "__selections" not in name
    }
    again = str(tmp_path / "again")
    words = ["label", "--quiet", "--input", path, "--output", again]
    assert main([*words, "--model", str(stand_in_file)]) == 0
    (table,) = read_predictions(f"{again}/predictions-00000-of-00001.parquet", columns=["uri"])
    photos = shown.folder / "photos"
    expected = [str(photos / name) for name in ("000000.jpg", "000001.jpg")]
    assert table["uri"].to_pylist() == expected
    assert main(["report", str(labels), "--uris", path, "--max-pictures", "0"]) == 0


def test_a_model_that_is_gone_is_named(shown: Shown, tmp_path: Path) -> None:
    run = str(shown.folder / "labels")
    gathered = gather(ReportOptions(folder=run, max_pictures=0))
    options = ViewOptions(folder=run, model=str(tmp_path / "gone.tflite"))
    with PageServer(routes(gathered, options, []), port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        status, found = Shown(shown.folder, server, []).told("search", body=b"x")
        server.shutdown()
        thread.join()
    assert status == 422
    assert str(tmp_path / "gone.tflite") in found["error"]


def test_somebody_looks_searches_and_keeps(shown: Shown) -> None:
    with chromium(width=1400, height=900) as window:
        window.get(shown.server.address)
        assert count(window) == "9 pictures"
        # No thumbnails: what is seen comes from the server, but for the picture that is gone.
        widths = "return [...document.querySelectorAll('.tile img')].map((i) => i.naturalWidth)"
        eventually(lambda: window.execute_script(widths), [96] * 8)
        chosen = window.find_element(By.CSS_SELECTOR, ".by-picture")
        chosen.send_keys(str(shown.folder / "photos/000005.jpg"))
        eventually(lambda: chips(window), ["like 000005.jpg"])
        assert names(window)[0] == "000005.jpg"
        click(window, ".tile", "")
        eventually(lambda: texts(window, "#zoom h2"), ["000005.jpg"])
        window.find_element(By.CSS_SELECTOR, "#zoom .pick").click()
        window.find_element(By.CSS_SELECTOR, "#zoom .close").click()
        window.find_element(By.CSS_SELECTOR, "[aria-label='Name of a selection']").send_keys("seen")
        click(window, ".served button", "Keep")
        kept = shown.folder / "labels/__selections/seen.csv"
        eventually(kept.exists, True)
        assert kept.read_text("utf-8") == f'uri\n"{shown.folder}/photos/000005.jpg"\n'
        click(window, ".selection button", "Deselect")
        click(window, "button", "Clear all")
        assert (count(window), names(window)[0] == "") == ("9 pictures", False)
        eventually(lambda: "seen" in texts(window, "[aria-label='Kept selections'] option"), True)
        window.find_element(By.CSS_SELECTOR, "option[value=seen]").click()
        eventually(lambda: texts(window, ".tile[aria-selected=true] .name"), ["000005.jpg"])
        window.find_element(By.CSS_SELECTOR, ".tile[title$='000002.jpg']").click()
        click(window, "#zoom button", "All like it")
        eventually(lambda: window.find_element(By.CSS_SELECTOR, ".chips").text, LIKE_000002)
        assert names(window)[0] == "000002.jpg"
        gone = [each for each in faults(window) if "picture/3" not in str(each)]
        assert gone == []
