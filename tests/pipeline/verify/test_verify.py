from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.cli import main
from pipeline.models.tflite import stand_in
from tests.helpers.archives import write_archive
from tests.helpers.forged import forge
from tests.helpers.pictures import make_pictures


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> tuple[Path, Path]:
    """Pictures, five of eight good, and a run over them."""
    folder = tmp_path_factory.mktemp("verify")
    make_pictures(folder / "photos", count=8)
    for number in range(3):
        (folder / f"photos/00000{number}.jpg").write_bytes(b"")
    words = ["--input", folder / "photos", "--output", folder / "out", "--model", stand_in_file]
    assert main(["label", "--quiet", *map(str, words)]) == 0
    return folder / "photos", folder / "out"


@pytest.fixture
def run(finished: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the run's folder; its pictures are where they were."""
    return shutil.copytree(finished[1], tmp_path / "out")


def _verify(folder: Path, *words: object) -> int:
    return main(["verify", str(folder), *map(str, words)])


def _problems(folder: Path, capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """What is wrong, by check; the exit status must agree."""
    capsys.readouterr()
    status = _verify(folder, "--json", *words)
    result = json.loads(capsys.readouterr().out)
    problems = {check["name"]: check["problems"] for check in result["checks"] if check["count"]}
    assert status == (1 if problems else 0)
    assert result["wrong"] == sum(check["count"] for check in result["checks"])
    return problems


def test_a_sound_run_passes_every_check(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _verify(run) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        "manifest",
        "files",
        "rows",
        "one row each",
        "identity",
        "inputs",
        "labelled again",
    ]
    assert all(line.split()[-1] and " ok " in line for line in lines[1:])
    assert "5 pictures, every column compared" in lines[-1]


SHARD = "predictions-00000-of-00001.parquet"


FAILURES = "__failures/failures-00000-of-00001.jsonl"


def _flip(folder: Path) -> None:
    content = bytearray((folder / SHARD).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / SHARD).write_bytes(content)


def _edit(folder: Path) -> None:
    text = (folder / "_MANIFEST.json").read_text("utf-8")
    (folder / "_MANIFEST.json").write_text(text.replace('"skipped": 0', '"skipped": 1'), "utf-8")


@pytest.mark.parametrize(
    ("break_it", "check", "expected"),
    [
        (_flip, "files", f"{SHARD} was changed: its sha256 is "),
        (lambda run: (run / SHARD).unlink(), "files", f"{SHARD} is missing"),
        (lambda run: (run / FAILURES).write_bytes(b"{}\n"), "files", f"{FAILURES} has 3 bytes"),
        (
            lambda run: (run / "predictions-00007-of-00009.jsonl").write_bytes(b""),
            "files",
            "predictions-00007-of-00009.jsonl is not in the manifest",
        ),
        (
            lambda run: shutil.copy(run / SHARD, run / "predictions-copy.parquet"),
            "files",
            "predictions-copy.parquet is not in the manifest",
        ),
        (
            lambda run: (run / "__failures/failures-00000-of-00001 (1).jsonl").touch(),
            "files",
            "__failures/failures-00000-of-00001 (1).jsonl is not in the manifest",
        ),
        (_edit, "manifest", "_MANIFEST.json was edited"),
        (lambda run: (run / "_SUCCESS").unlink(), "manifest", "_SUCCESS is missing"),
    ],
)
def test_what_was_done_to_the_folder_is_found(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[Path], None],
    check: str,
    expected: str,
) -> None:
    break_it(run)
    problems = _problems(run, capsys)
    assert list(problems) == [check]
    assert len(problems[check]) == 1
    assert problems[check][0].startswith(expected)


def _with(column: str, values: Callable[[list[Any]], None]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        cells = table.column(column).to_pylist()
        values(cells)
        at = table.schema.get_field_index(column)
        return table.set_column(at, field, pa.array(cells, field.type))

    return change


def _set(row: int, value: Any) -> Callable[[list[Any]], None]:
    def values(cells: list[Any]) -> None:
        cells[row] = value

    return values


def test_a_doubled_row_is_found(
    run: Path, finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    uri = str(finished[0] / "000003.jpg")

    def double(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table.slice(0, 1), table])

    forge(run, double, predictions=6, inputs=9)
    problems = _problems(run, capsys)
    assert problems == {"one row each": [f"{uri} has a row in {SHARD} and another in {SHARD}"]}


def test_a_row_in_place_of_another_is_found(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(run, lambda table: pa.concat_tables([table.slice(0, 4), table.slice(3, 1)]))
    assert list(_problems(run, capsys)) == ["one row each", "inputs"]


@pytest.mark.parametrize(
    ("column", "row", "value", "expected"),
    [
        ("class_id", 1, 1001, "its class id is not one of the 1001"),
        ("label", 1, "no such thing", "its label is not its class's"),
        ("synset", 1, "n00000000", "its synset is not its class's"),
        ("score", 1, 0.123, "its top classes are not the best first"),
        ("top_class_ids", 1, [1, 2, 3], "its top classes are not the best first"),
        ("top_scores", 1, [0.1, 0.2, 0.3, 0.4, 0.5], "its top classes are not the best first"),
        ("embedding", 1, [float("nan")] * 256, "its embedding is not finite"),
    ],
)
def test_a_row_that_cannot_be_is_found(
    run: Path,
    finished: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    column: str,
    row: int,
    value: Any,
    expected: str,
) -> None:
    forge(run, _with(column, _set(row, value)))
    problems = _problems(run, capsys)
    assert list(problems) == ["rows"]
    uri = finished[0] / "000004.jpg"
    assert f"{SHARD}: {uri}: {expected}" in problems["rows"]


def test_rows_that_are_sound_and_wrong_are_found_by_labelling_again(
    run: Path, finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def swap(cells: list[Any]) -> None:
        cells[0], cells[1] = cells[1], cells[0]

    forge(run, _with("embedding", swap))
    uris = [finished[0] / f"00000{number}.jpg" for number in (3, 4)]
    assert _problems(run, capsys) == {
        "labelled again": [f"{uri}: labelled again, it differs in embedding" for uri in uris]
    }
    assert _problems(run, capsys, "--sample", 0) == {}


@pytest.mark.parametrize("kind", ["tar", "tfrecord", "parquet"])
def test_members_of_shards_are_labelled_again(
    finished: tuple[Path, Path],
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    pictures = {path.name: path.read_bytes() for path in sorted(finished[0].iterdir())[3:]}
    shard = tmp_path / f"a.{kind}"
    write_archive(shard, pictures)
    out = tmp_path / "out"
    words = ["--input", shard, "--input", finished[0], "--output", out, "--model", stand_in_file]
    assert main(["label", "--quiet", *map(str, words)]) == 0
    capsys.readouterr()
    assert _verify(out) == 0
    assert "10 pictures, every column compared\n" in capsys.readouterr().out
    swapped: list[str] = []

    def swap(table: pa.Table) -> pa.Table:
        uris = table.column("uri").to_pylist()
        members = [at for at, uri in enumerate(uris) if "#" in uri]
        swapped.extend(uris[at] for at in members[1:3])
        order = list(range(len(uris)))
        order[members[1]], order[members[2]] = members[2], members[1]
        column = table.column("embedding").take(order).combine_chunks()
        return table.set_column(table.schema.get_field_index("embedding"), "embedding", column)

    forge(out, swap)
    assert _problems(out, capsys) == {
        "labelled again": [f"{uri}: labelled again, it differs in embedding" for uri in swapped]
    }
    os.utime(shard, ns=(7, 7))  # another version, and its members hold what they held
    assert set(_problems(out, capsys)) == {"labelled again"}


def test_pictures_that_are_gone_or_have_changed_are_named(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    make_pictures(photos, count=12)
    words = ["--input", photos, "--output", tmp_path / "out", "--model", stand_in_file]
    assert main(["label", "--quiet", *map(str, words)]) == 0
    paths = sorted(photos.iterdir())
    for path in paths[:5]:
        path.unlink()
    shutil.copy(paths[11], paths[5])  # another content
    paths[6].write_bytes(b"no picture")
    os.utime(paths[7], ns=(7, 7))  # the same content
    status = paths[8].stat()
    paths[8].write_bytes(bytes(status.st_size))  # another, and neither size nor time says so
    os.utime(paths[8], ns=(status.st_atime_ns, status.st_mtime_ns))
    capsys.readouterr()
    assert _verify(tmp_path / "out", "--json") == 1
    (check,) = [
        check
        for check in json.loads(capsys.readouterr().out)["checks"]
        if check["name"] == "labelled again"
    ]
    assert check["problems"] == [f"{paths[8]}: cannot be labelled now: unknown_format"]
    assert {name: sorted(uris) for name, uris in check["named"].items()} == {
        "gone": [str(path) for path in paths[:5]],
        "changed": [str(path) for path in paths[5:7]],
        "unread": [],
    }
    assert check["counts"] == {"gone": 5, "changed": 2, "unread": 0, "outdated": 0}
    assert _verify(tmp_path / "out") == 1
    lines = capsys.readouterr().out.splitlines()
    named = [f"gone: {path}" for path in paths[:3]]
    named += ["gone: and 2 more, which --json names", *(f"changed: {p}" for p in paths[5:7])]
    start = lines.index(f"labelled again: {named[0]}")
    assert lines[start:][: len(named)] == [f"labelled again: {line}" for line in named]


def test_rows_of_another_model_are_found(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {b"quantlabel.model_sha256": b"ab" * 32}
    forge(run, lambda t: t.replace_schema_metadata({**t.schema.metadata, **other}))
    problems = _problems(run, capsys)
    assert list(problems) == ["identity"]
    assert problems["identity"][0].startswith(f"{SHARD}: quantlabel.model_sha256 is abab")


def test_another_model_cannot_stand_in_for_the_runs_own(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.tflite").write_bytes(stand_in.stand_in(seed=1))
    assert _verify(run, "--model", tmp_path / "other.tflite") == 1
    assert "is not the model of the run" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["jsonl", "tfrecord"])
def test_other_formats_are_verified_alike(
    finished: tuple[Path, Path],
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
) -> None:
    words = ["--input", finished[0], "--output", tmp_path / "out", "--format", format]
    assert main(["label", "--quiet", *map(str, words), "--model", str(stand_in_file)]) == 0
    assert _problems(tmp_path / "out", capsys) == {}


def test_a_folder_without_a_run_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _verify(tmp_path) == 1
    assert "no readable _MANIFEST.json is there" in capsys.readouterr().err
    assert _verify(tmp_path, "--sample", -1) == 2
