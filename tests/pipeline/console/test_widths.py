"""What commands print at 80 and 120 columns and in a pipe, held against tests/data/terminal.

`make terminal` has these tests write the files anew: look at them before they are committed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import os
import re
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pipeline.cli import command_parsers, main
from pipeline.console import progress_bar
from pipeline.console.next_step import NEXT, print_next
from pipeline.console.parser import Answer
from pipeline.console.progress_bar import Counts, shown
from pipeline.models import actions
from pipeline.run.folder.finished import open_run
from pipeline.run.plan_table import print_plan
from pipeline.run.submission import Submission, print_submission
from pipeline.run.summary import print_summary
from pipeline.verify.verify import Check, print_checks
from tests.helpers.finished_runs import plausible, some_failures, write_run
from tests.helpers.gallery import Screen
from tests.helpers.pictures import make_pictures
from tests.helpers.plans import PLAN
from tests.helpers.root import ROOT
from transforms.records import Prediction

FILES = ROOT / "tests/data/terminal"
COLUMNS = {"80": 80, "120": 120, "pipe": None}

_PLACE = "Pictures from the big camera/2026-07 Walking from Oban to Fort William, Ann and Bob"
_ESCAPES = re.compile(r"\x1b\[[\d;]*m")
_SIZE = re.compile(r"^[\d.]+ [kM]B:", re.MULTILINE)
"""Of a page, another one in every release."""


def _rows() -> Iterator[Prediction]:
    """Of two places, one with a long path; a head can tell them apart."""
    random = np.random.RandomState(1)
    for number, row in enumerate(plausible(400)):
        vector = random.uniform(size=256).astype(np.float32)
        vector[number % 2] += 8
        place = (_PLACE, "home")[number % 2]
        yield row._replace(uri=f"/home/ann/{place}/IMG_{number:04d}.jpg", embedding=vector)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Path:
    """A folder with the run `labels`, truth for it, a model and a picture."""
    folder = tmp_path_factory.mktemp("widths")
    (folder / "model.tflite").write_bytes(stand_in_file.read_bytes())
    make_pictures(folder / "photos", count=1)
    rows = list(_rows())
    model = {"name": "mobilenet_v1_0.25_128_quant", "sha256": _sha256(stand_in_file)}
    write_run(
        folder / "labels",
        rows,
        some_failures(12),
        model=model,
        failures_by_reason={"truncated": 12},
        most_frequent_labels=_most_frequent(rows),
        skipped=31,
        skipped_by_kind={
            "text": {"count": 30, "example": "/home/ann/notes.txt"},
            "video": {"count": 1, "example": "/home/ann/film.mp4"},
        },
        duplicates=3,
        kernel="native (avx2)",
    )
    known = (f'"{row.uri}",{row.class_id if at % 3 else 1}' for at, row in enumerate(rows[:300]))
    (folder / "truth.csv").write_text("\n".join(["uri,class_id", *known]), "utf-8")
    own = (f'"{row.uri}",{("a walk in the hills", "home")[at % 2]}' for at, row in enumerate(rows))
    (folder / "own.csv").write_text("\n".join(["uri,label", *own]), "utf-8")
    assert main(["head", "fit", f"{folder}/labels", "--truth", f"{folder}/own.csv"]) == 0
    return folder


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _most_frequent(rows: list[Prediction]) -> list[dict[str, Any]]:
    counts = Counter((row.class_id, row.label) for row in rows)
    names = ("class_id", "label", "count")
    return [dict(zip(names, (*key, n), strict=True)) for key, n in counts.most_common(10)]


LINES = {
    "report": "report labels",
    "evaluate": "evaluate labels --truth truth.csv",
    "head-fit": "head fit labels --truth own.csv",
    "head-apply": "head apply labels",
    "duplicates": "duplicates labels",
    "search": "search labels --like photos/000000.jpg --model model.tflite -k 6",
    "review": "review labels --budget 50",
    "export": "export labels --to coco-classification",
    "labels-search": "labels search cat",
    "model-fetch": "model fetch model.tflite",
    "model-info": "model info model.tflite",
    "model-stand-in": "model stand-in --output other.tflite",
}
"""Commands that are run."""


def _arguments(line: str) -> argparse.Namespace:
    """As `quantlabel` has them."""
    words = line.split()
    name = " ".join(words[:2]) if " ".join(words[:2]) in NEXT else words[0]
    arguments = command_parsers()[name].parse_args(words[len(name.split()) :])
    arguments.beam_args, arguments.owns_process, arguments.is_call = (), False, True
    return arguments


def _require_as_before(
    name: str,
    show: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tidy: Callable[[str], str] = str,
) -> None:
    """Prints three times and holds what comes against the files."""
    for width, columns in COLUMNS.items():
        screen = io.StringIO() if columns is None else Screen()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            patch.setenv("TERM", "xterm")
            patch.delenv("COLUMNS", raising=False)
            if columns is not None:
                patch.setenv("COLUMNS", str(columns))
            show()
        _compare(f"{name}-{width}", tidy(_ESCAPES.sub("", screen.getvalue())), columns)


def _compare(name: str, text: str, columns: int | None) -> None:
    if columns is not None:  # tables are filled up to their width there, which nobody sees
        text = re.sub(r" +$", "", text, flags=re.MULTILINE)
    path = FILES / f"{name}.txt"
    if "QUANTLABEL_TERMINAL" in os.environ:
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{path.relative_to(ROOT)}: see `make terminal`"


@pytest.mark.parametrize("name", LINES)
def test_a_command(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    arguments = _arguments(LINES[name])
    answer: Answer = arguments.command(arguments)

    def show() -> None:
        answer.show(as_json=False)
        print_next(arguments.name, arguments)

    _require_as_before(name, show, monkeypatch, lambda text: _SIZE.sub("161.3 kB:", text))


def _printed(name: str, print_it: Callable[[Console], None], patch: pytest.MonkeyPatch) -> None:
    _require_as_before(name, lambda: Answer({}, print_it).show(as_json=False), patch)


def test_label(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = open_run(str(place / "labels")).manifest
    _printed("label", lambda to: print_summary(manifest, folder="labels", console=to), monkeypatch)


def test_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    _printed("plan", lambda to: print_plan(PLAN, console=to), monkeypatch)


def test_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    image = "europe-docker.pkg.dev/a-project/pictures/quantlabel:0.2.0-python3.11-beam2.77.0"
    flags = {"job": "quantlabel-1", "region": "europe-west4", "image": image, "labels": "a=b, c=d"}
    found = Submission(
        runner="DataflowRunner",
        output="gs://a-bucket/labels",
        steps=45,
        graph_bytes=1_234_567,
        flags=flags,
    )
    _printed("dry-run", lambda to: print_submission(found, console=to), monkeypatch)


def test_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = [f"/home/ann/{_PLACE}/IMG_{number:04d}.jpg" for number in range(12)]
    checks = [
        Check("manifest", "412 inputs"),
        Check("one row each", "412 rows, 412 inputs"),
        Check("inputs", "400 listed, of which 12 are gone and cannot be compared now, 3 again"),
        Check("labelled again", "20 pictures, every column compared", named={"gone": gone}),
        Check("identity", "the model cannot be had", done=False),
        Check("rows", "412 in 2 files", ["predictions-00000: a row is twice there"], count=1_234),
    ]
    _printed("verify", lambda to: print_checks(checks, console=to), monkeypatch)


def test_verify_where_something_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "labels", plausible(30), rows_per_shard=10)
    for path in (tmp_path / "labels").glob("predictions-*"):
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    arguments = _arguments("verify labels")
    answer: Answer = arguments.command(arguments)
    _printed("verify-wrong", answer.in_words, monkeypatch)


def test_conversion_and_comparison_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = types.SimpleNamespace(
        pictures=500, first=431, close=494, differing=[(282, 283, 11), (208, 209, 4)]
    )
    exported: Any = types.SimpleNamespace(
        path="ours.tflite", sha256="ab" * 32, size=4_271_936, seconds=31.25, agreement=agreement
    )
    pairs = actions._export_pairs(exported)
    _printed("model-export", lambda to: actions._print_pairs(pairs, to), monkeypatch)
    layers = [
        types.SimpleNamespace(name=name, step=step, max_steps=most, mean_steps=mean, equal=equal)
        for name, step, most, mean, equal in (
            ("Conv2d_0", 0.023528, 1.0, 0.0021, 0.9979),
            ("Conv2d_13_pointwise", 0.023528, 128.0, 12.3456, 0.101),
            ("logits", 1.0, 0.25, 0.0, 1.0),
        )
    ]
    compared: Any = types.SimpleNamespace(layers=layers, pictures=1_500, top1=1.0, top5=0.99999)
    _printed("model-compare", lambda to: actions._print_comparison(compared, to), monkeypatch)


STATES = {
    "listing": [Counts(1_500, 0, 0, unread=12)],
    "archives": [Counts(40_000_000, n, n // 500, unread=12) for n in (300_000, 600_000)],
    "end-known": [Counts(41_500_000, n, n // 500) for n in (19_000_000, 19_300_000)],
    "small": [Counts(800, 100, 0), Counts(800, 150, 1)],
}
"""Of runs, ten seconds apart."""


@pytest.mark.parametrize("columns", [80, 120])
def test_bars(columns: int) -> None:
    lines = [_bar(columns, states) for states in STATES.values()]
    assert all(len(line) <= columns for line in lines)
    _compare(f"bars-{columns}", "".join(f"{line}\n" for line in lines), columns)


def _bar(columns: int, states: Sequence[Counts]) -> str:
    """The last state of a bar, with time that stands still between two looks."""
    now, looks = [0.0], itertools.count()
    done = threading.Event()

    def read() -> Counts:
        at = next(looks)
        if at >= len(states) - 1:
            done.set()
        now[0] = 10.0 * min(at + 1, len(states))
        return states[min(at, len(states) - 1)]

    file = io.StringIO()
    terminal = Console(file=file, width=columns, force_terminal=True, get_time=lambda: now[0])
    with shown(read, console=terminal, every=0.001):
        assert done.wait(10)
    frames = re.split(r"[\r\n]|\x1b\[\??\d*[A-Zhl]", file.getvalue())
    return [line for line in (_ESCAPES.sub("", frame) for frame in frames) if line.strip()][-1]


def test_a_line_of_a_log_is_one_line_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_bar, "_LINE_SECONDS", 0.0)
    seconds = itertools.chain([0.0], itertools.repeat(600.0))
    clock = types.SimpleNamespace(monotonic=lambda: next(seconds))
    monkeypatch.setattr(progress_bar, "time", clock)
    counts, done = Counts(41_500_000, 20_000_000, 12_345, unread=12), threading.Event()
    file = io.StringIO()

    def read() -> Counts:
        if file.getvalue().endswith("\n"):
            done.set()
        return counts

    with shown(read, console=Console(file=file, width=80), every=0.001):
        assert done.wait(10)
    assert set(file.getvalue().splitlines()) == {
        "20,012,345 of 41,500,000 or more pictures, 33,354/s, 12,345 failed, 12 archives to read"
    }
