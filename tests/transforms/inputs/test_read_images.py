from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

import transforms.inputs.read_images
from transforms.errors import UserError
from transforms.inputs.read_images import ReadImages
from transforms.records import ImageRef


def _run(*inputs: str, refs: list[ImageRef], tally: dict[str, int]) -> None:
    def sums(actual: list[tuple[str, int]]) -> None:
        total: Counter[str] = Counter()
        for name, count in actual:
            total[name] += count
        assert {name: count for name, count in total.items() if count} == tally

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        result = pipeline | ReadImages(inputs)
        assert_that(result.refs, equal_to(refs), label="refs")
        assert_that(result.failures, equal_to([]), label="failures")
        assert_that(result.tally, sums, label="tally")


def test_repeated_uris_are_read_once_and_counted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "notes.md"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, ns=(7, 7))
    manifest = tmp_path / "more.txt"
    manifest.write_text("a.jpg\nc.jpg\nc.jpg\n./b.jpg\n", "utf-8")
    _run(
        str(tmp_path),
        str(manifest),
        refs=[  # the folder knows size and version, the manifest does not
            ImageRef(str(tmp_path / "a.jpg"), None, 1, "7"),
            ImageRef(str(tmp_path / "b.jpg"), None, 1, "7"),
            ImageRef(str(tmp_path / "c.jpg")),
        ],
        tally={"entries": 6, "inputs": 3, "duplicates": 3, "skipped": 2},
    )


def test_duplicates_are_found_across_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms.inputs.read_images, "_REFS_HELD", 3)
    manifest = tmp_path / "list.txt"
    manifest.write_text("".join(f"/{number % 5}.jpg\n" for number in range(20)), "utf-8")
    _run(
        str(manifest),
        refs=[ImageRef(f"/{number}.jpg") for number in range(5)],
        tally={"entries": 20, "inputs": 5, "duplicates": 15},
    )


def test_the_row_that_is_kept_does_not_depend_on_the_order(tmp_path: Path) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text("uri,n\n/a.jpg,2\n", "utf-8")
    second.write_text("uri,n\n/a.jpg,1\n", "utf-8")
    expected = [ImageRef("/a.jpg", '{"n": "1"}')]
    for inputs in ((str(first), str(second)), (str(second), str(first))):
        _run(*inputs, refs=expected, tally={"entries": 2, "inputs": 1, "duplicates": 1})


def test_an_input_without_pictures_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_bytes(b"x")
    with (
        pytest.raises(UserError, match=f"--input {tmp_path}: nothing matched"),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        pipeline | ReadImages([str(tmp_path)])


_BUILD = """
import apache_beam as beam
from transforms.inputs.read_images import ReadImages
beam.Pipeline() | ReadImages(["gs://bucket/\\u00fc"])
"""


def test_an_input_can_have_any_name_where_files_have_other_encodings() -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", _BUILD],
        capture_output=True,
        text=True,
        env={**os.environ, **ascii_only, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
