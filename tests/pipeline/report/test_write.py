"""The file that a report is, and where it is put."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.report.page import render
from tests.helpers.contents import contents
from tests.helpers.finished_runs import plausible, row_of_file, write_run
from tests.helpers.pictures import make_pictures
from tests.helpers.rows import failed


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    write_run(tmp_path / "labels", list(plausible(50)), [failed(number) for number in range(1)])
    before = contents(tmp_path / "labels")
    assert main(["report", str(tmp_path / "labels")]) == 0
    after = contents(tmp_path / "labels")
    assert {name.partition("/")[0] for name in after.keys() - before} == {"__report"}
    assert {name: after[name] for name in before} == before
    page = (tmp_path / "labels/__report/index.html").read_text("utf-8")
    assert set(re.findall(r"""(?:src|href)=["']?([^"'#>]*)""", page)) <= {"", "data:,"}
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest", page)


def test_a_server_of_the_page_is_asked_for_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = functools.partial(render, endpoint="/picture/{row}")
    monkeypatch.setattr("pipeline.report.write.render", served)
    write_run(tmp_path / "labels", list(plausible(5)))
    assert main(["report", str(tmp_path / "labels")]) == 0
    page = (tmp_path / "labels/__report/index.html").read_text("utf-8")
    assert "img-src &#39;self&#39; data:;" in page
    assert '"endpoint":"/picture/{row}"' in page


def test_a_page_has_fewer_thumbnails_where_it_would_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(tmp_path / "photos", count=12)
    rows = [
        row_of_file(path, number, label="tabby", score=0.5)
        for number, path in enumerate(sorted((tmp_path / "photos").iterdir()))
    ]
    write_run(tmp_path / "labels", rows)
    page = tmp_path / "labels/__report/index.html"
    assert main(["report", str(tmp_path / "labels")]) == 0
    whole, all_of_them = page.stat().st_size, page.read_text("utf-8").count('"/9j/')
    assert all_of_them == 12
    monkeypatch.setattr("pipeline.report.write.MOST_BYTES", 450_000)
    assert main(["report", str(tmp_path / "labels")]) == 0
    assert 0 < page.read_text("utf-8").count('"/9j/') < 12
    assert page.stat().st_size < whole


def test_a_run_in_a_bucket_with_pictures_in_a_bucket(cloud: Cloud, tmp_path: Path) -> None:
    make_pictures(tmp_path / "photos", count=1)
    path = tmp_path / "photos/000000.jpg"
    uri = cloud.put("photos/a b#c é.jpg", path.read_bytes())
    write_run(tmp_path / "run", [row_of_file(path, 0, label="tabby", score=0.5)._replace(uri=uri)])
    for file in (tmp_path / "run").iterdir():
        cloud.put(f"run/{file.name}", file.read_bytes())
    folder = uri.removesuffix("/photos/a b#c é.jpg") + "/run"
    assert main(["report", folder]) == 0
    page = cloud.content("run/__report/index.html").decode()
    assert "a b#c é.jpg" in page
    assert '"jpegs":["/9j/' in page
