"""A run that comes late, or wakes up, does no harm to the one that has the folder now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.run.folder import attempts
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.ledger import FinishRun
from tests.helpers.contents import contents
from transforms.errors import UserError
from transforms.rows.publish import publish

Finish = Callable[[], Any]


@pytest.fixture
def finishes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Finish]]:
    """The last step of each run so far, to be done again as a service does."""
    calls: list[Finish] = []
    process = FinishRun.process

    def noted(self: FinishRun, *words: Any, **sides: Any) -> Iterator[Any]:
        calls.append(lambda: list(process(self, *words, **sides)))
        yield from process(self, *words, **sides)

    with monkeypatch.context() as patched:
        patched.setattr(FinishRun, "process", noted)
        yield calls


class Run:
    """`quantlabel label` in one folder."""

    def __init__(self, photos: Path, out: Path, model: Path) -> None:
        self.out = out
        self._words = ["label", "--quiet", "--input", photos, "--output", out, "--model", model]

    def label(self, *words: object) -> int:
        return main(list(map(str, [*self._words, *words])))

    def content(self) -> dict[str, bytes]:
        return {name: content for name, content in contents(self.out).items() if name[0:2] != "_u"}

    def take_over(self) -> None:
        """As another run does while this one is asleep."""
        holder = {"host": "elsewhere", "pid": 7, "started": "2026-01-02", "runner": None}
        holder |= {"beats": 0, "attempt": "_unfinished-other"}
        (self.out / "_RUNNING.json").write_text(json.dumps(holder), "utf-8")


@pytest.fixture
def run(photos: Path, stand_in_file: Path, tmp_path: Path) -> Run:
    return Run(photos, tmp_path / "out", stand_in_file)


@pytest.mark.parametrize("words", [["--overwrite"], ["--resume"], ["--resume", "--overwrite"]])
def test_the_last_step_done_again_after_another_run_changes_nothing(
    run: Run, finishes: list[Finish], words: list[str]
) -> None:
    assert run.label() == 0
    (run.out.parent / "photos/000003.jpg").unlink()
    assert run.label(*words) == 0
    before = run.content()
    with pytest.raises(UserError, match="another run has discarded what this one had not fini"):
        finishes[0]()
    assert run.content() == before
    assert open_run(str(run.out)).manifest.inputs == 9
    assert run.label("--resume") == 0
    assert run.label("--resume", "--overwrite") == 0


def test_the_last_step_done_again_at_once_changes_nothing(run: Run, finishes: list[Finish]) -> None:
    assert run.label() == 0
    before = run.content()
    finishes[0]()
    assert run.content() == before
    assert not list(run.out.glob("_unfinished-*"))


def test_a_run_whose_folder_has_another_publishes_nothing(
    run: Run, finishes: list[Finish], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(attempts, "commit", dies)
        assert run.label() == 130
    run.take_over()
    (attempt,) = run.out.glob("_unfinished-*")
    there = sorted(path.name for path in attempt.iterdir())
    with pytest.raises(UserError, match="taken the folder over, host elsewhere, process 7"):
        finishes[0]()
    assert sorted(path.name for path in attempt.iterdir()) == there
    assert list(run.content()) == ["_RUNNING.json"]


def test_a_run_that_loses_its_folder_while_it_names_files_deletes_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {"predictions-00000-of-00007.parquet": b"rows", "_MANIFEST.json": b"of the other"}

    def slow(folder: str, moves: Any) -> None:
        publish(folder, moves)
        run.take_over()
        for name, content in later.items():
            (run.out / name).write_bytes(content)

    monkeypatch.setattr(attempts, "publish", slow)
    assert run.label() == 1
    assert {name: run.content()[name] for name in later} == later
    assert "_SUCCESS" not in run.content()


def test_a_run_whose_files_vanish_before_they_have_names_costs_no_finished_run(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.label() == 0
    before = run.content()
    commit = attempts.commit

    def late(folder: str, attempt: str, *words: Any) -> None:
        for path in Path(attempt).glob("merged-*"):
            path.unlink()
        commit(folder, attempt, *words)

    monkeypatch.setattr(attempts, "commit", late)
    (run.out.parent / "photos/000003.jpg").unlink()
    assert run.label("--overwrite") == 1
    assert "were written and then vanished" in capsys.readouterr().err
    assert run.content() == before


@pytest.mark.parametrize(("words", "status"), [((), 1), (("--resume",), 0), (("--overwrite",), 0)])
def test_a_record_whose_files_are_gone_costs_no_finished_run(
    run: Run, words: tuple[str, ...], status: int
) -> None:
    """As a late step of an older version leaves it."""
    assert run.label() == 0
    before = run.content()
    attempt = run.out / "_unfinished-late"
    attempt.mkdir()
    shard = ["predictions-00000-of-00001.parquet", 1, 1, "0" * 64]
    moves = [[str(attempt / "merged-predictions-x.parquet"), shard]]
    record = {"manifest": json.loads(before["_MANIFEST.json"]), "moves": moves}
    (attempt / "_COMMIT.json").write_text(json.dumps(record), "utf-8")
    assert run.label(*words) == status
    if not words:
        assert run.content() == before
    assert open_run(str(run.out)).manifest.predictions == 10
    assert main(["verify", str(run.out)]) == 0


@pytest.mark.parametrize("name", ["_RUN.json", "_COMMIT.json"])
@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_garbage_in_an_attempt_is_named_in_one_line(
    run: Run, name: str, garbage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.out / "_unfinished-x" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(garbage)
    assert run.label("--resume") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"quantlabel: {path}: damaged, or not written by")
