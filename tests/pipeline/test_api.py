from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import quantlabel
from pipeline import api
from pipeline.api import function_name
from pipeline.cli import command_parsers, main
from tests.helpers.pictures import make_pictures
from tests.helpers.root import ROOT
from transforms.errors import UsageError

OTHERWISE = {"--input": "inputs", "--no-inputs": "inputs", "-k": "k"}
"""Flags whose parameters are not called as they are."""

OF_TERMINALS = {"--help", "--json", "--verbose"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, stand_in_file: Path) -> Path:
    """Ten pictures, one that is none, a truth, and what `label` made of them."""
    folder = tmp_path_factory.mktemp("api")
    make_pictures(folder / "photos", count=10)
    (folder / "photos/empty.jpg").write_bytes(b"")
    pictures = sorted((folder / "photos").glob("0*.jpg"))
    truth = [f"{path},{at % 2 + 1}" for at, path in enumerate(pictures)]
    (folder / "truth.csv").write_text("\n".join(["uri,class_id", *truth]), "utf-8")
    api.label(folder / "photos", folder / "labels", model=stand_in_file, top_k=3, quiet=True)
    return folder


def test_every_command_is_a_function() -> None:
    functions = {function_name(command) for command in command_parsers()}
    assert functions == set(api.__all__)
    assert api.__all__ == quantlabel._COMMANDS
    assert quantlabel.head_fit is api.head_fit


@pytest.mark.parametrize("command", command_parsers())
def test_a_function_takes_what_its_command_takes(command: str) -> None:
    parser = command_parsers()[command]
    flags = {action.option_strings[0] for action in parser._actions if action.option_strings}
    flags = {"--help" if flag == "-h" else flag for flag in flags} - OF_TERMINALS
    words = {action.dest for action in parser._actions if not action.option_strings}
    names = {OTHERWISE.get(flag, flag.strip("-").replace("-", "_")) for flag in flags}
    if command == "model compare":
        names = names - {"inputs"} | {"input"}
    parameters = inspect.signature(getattr(api, function_name(command))).parameters
    assert set(parameters) - {"beam_args"} == names | words
    assert ("beam_args" in parameters) == parser.get_default("takes_beam_flags")
    by_place = [each for each in parameters.values() if each.kind is not each.KEYWORD_ONLY]
    if command not in ("model fetch", "model info"):
        assert all(each.default is each.empty for each in by_place)


def test_help_says_what_a_function_takes() -> None:
    assert str(inspect.signature(api.search)) == "(folder, like, *, model=None, k=20, labels=None)"
    assert str(inspect.signature(api.verify)).startswith("(folder, *, sample=50, inputs=True,")
    assert inspect.signature(api.label).parameters["top_k"].default == 5
    assert inspect.signature(api.plan).parameters["price"].default is None
    assert api.search.__doc__ is not None
    assert "    k: results (default: 20)\n" in api.search.__doc__


def test_a_run_is_counts_and_a_handle_to_rows(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = quantlabel.open_run(folder / "labels")
    assert repr(run) == f"{folder}/labels: 10 labelled, 1 failed"
    assert run.counts == {
        "inputs": 11,
        "predictions": 10,
        "failures": 1,
        "duplicates": 0,
        "skipped": 0,
        "reused": 0,
    }
    assert run.failures_by_reason == {"empty": 1}
    assert [len(row["top_labels"]) for row in run.rows] == [3] * 10
    assert [row["reason"] for row in run.failures] == ["empty"]
    assert capfd.readouterr().out == ""


def _words(command: str, folder: Path, model: Path) -> tuple[list[str], Callable[[], Any]]:
    """A command, and the same as a call."""
    run, truth = str(folder / "labels"), str(folder / "truth.csv")
    picture = folder / "photos/000003.jpg"
    return {
        "verify": (
            ["verify", run, "--sample", "2", "--no-inputs"],
            lambda: api.verify(run, sample=2, inputs=False),
        ),
        "evaluate": (
            ["evaluate", run, "--truth", truth],
            lambda: api.evaluate(run, truth),
        ),
        "search": (
            ["search", run, "--like", str(picture), "-k", "2"],
            lambda: api.search(run, like=picture, k=2),
        ),
        "labels search": (
            ["labels", "search", "tiger", "cat"],
            lambda: api.labels_search("tiger cat"),
        ),
        "model info": (["model", "info", str(model)], lambda: api.model_info(model)),
    }[command]


@pytest.mark.parametrize("command", ["verify", "evaluate", "search", "labels search", "model info"])
def test_a_function_returns_what_json_prints(
    command: str, folder: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, call = _words(command, folder, stand_in_file)
    assert main([*words, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = json.loads(json.dumps(call()))
    for each in (printed, found):
        if command == "evaluate":
            del each["evaluated"]  # the time
    assert found == printed
    assert capsys.readouterr() == ("", "")


def test_what_is_wrong_is_returned_not_raised(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(folder / "photos")
    labels = tmp_path / "labels"
    labels.mkdir()
    for path in (folder / "labels").glob("*"):
        (labels / path.name).symlink_to(path)
    (labels / "_SUCCESS").unlink()
    (labels / "_SUCCESS").write_text("0  _MANIFEST.json\n")
    found = api.verify(labels, sample=0, inputs=False)
    assert found["wrong"] > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: api.label("photos", "", quiet=True), "--output: expected a folder, found ''"),
        (
            lambda: api.label("photos", "o", top_k="five"),
            "--top-k: expected a whole number, found 'five'",
        ),
        (lambda: api.label("photos", "o", views=3), "--views: invalid choice: 3"),
        (lambda: api.label([], "o"), "the following arguments are required: --input"),
        (lambda: api.label("photos", "o", resume="yes"), "resume: expected True or False"),
        (lambda: api.label("photos", ["o", "p"]), "output: expected one value, found"),
        (lambda: api.label(b"photos", "o"), "inputs: expected text, a path or a number"),
        (lambda: api.label("-1", "o", beam_args=["--no_such"]), "--no_such: neither a flag of"),
        (lambda: api.search("labels", like="a.jpg", k=0), "-k: expected a number of results"),
    ],
)
def test_mistakes_are_usage_errors(
    call: Callable[[], Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=f"^{message[:12]}") as raised:
        call()
    assert str(raised.value).startswith(message)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_name_is_refused_as_by_any_function() -> None:
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'topk'"):
        api.label("photos", "labels", topk=5)


_PROGRAM = """
import sys, quantlabel
quantlabel.label, quantlabel.evaluate
assert not {'apache_beam', 'numpy', 'tensorflow'} & sys.modules.keys()
try:
    quantlabel.label(sys.argv[1], sys.argv[2], model=sys.argv[3])
except quantlabel.UserError as error:
    print(error)
"""


def test_names_load_late_and_a_run_that_fails_is_an_exception_and_no_log(
    tmp_path: Path, stand_in_file: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    words = [tmp_path / "a.jpg", tmp_path / "out", stand_in_file]
    command = [sys.executable, "-c", _PROGRAM, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("the run has failed: ")
    assert "Traceback" not in done.stderr
