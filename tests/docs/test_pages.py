"""The README and the pages of docs/: their limits, links and tables, and what commands print."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.helpers.root import ROOT

README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [README, *PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "SECURITY"))]

MODEL = "mobilenet_v1_0.25_128_quant.tflite"
COLUMNS = "100"
"""Of the terminal whose output the pages show."""

_FOLDERS = "benchmarks|deploy|docs|pipeline|quantlabel|scripts|tests|transforms"
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(rf"`((?:{_FOLDERS})/[\w./-]*)`")
_CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
_OF_THIS_MACHINE = re.compile(
    r"^(pictures .*listed|time|output|processor|[a-z0-9]+-standard-[0-9]|starting, idle|total|"
    r"(processors|memory|disk|shuffle) .*( x |GB)) ?"
)


def test_the_readme_is_one_screen() -> None:
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) <= 160
    assert [line for line in lines if len(line) > 120] == []


def test_links_lead_to_files() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in TEXTS
        for target in _LINK.findall(page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_files_that_are_named_exist() -> None:
    gone = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in TEXTS
        for path in _PATH.findall(page.read_text("utf-8"))
        if not (ROOT / path).exists()
    ]
    assert gone == []


def test_pages_that_the_code_names_exist() -> None:
    sources = [path for name in _FOLDERS.split("|") for path in (ROOT / name).rglob("*.py")]
    named = {page for path in sources for page in re.findall(r"docs/[\w/-]+\.md", path.read_text())}
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


def _commands(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The commands, or the actions of one, in the list that `--help` prints."""
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    listed = capsys.readouterr().out.partition("\n  COMMAND\n" if not words else "\n  ACTION\n")[2]
    return re.findall(r"^    (\S+)", listed, re.MULTILINE)


def test_every_command_has_a_page_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    commands = _commands(capsys)
    assert sorted(page.stem for page in (ROOT / "docs/commands").glob("*.md")) == sorted(commands)
    for name in commands:
        page = (ROOT / f"docs/commands/{name}.md").read_text("utf-8")
        expected = [f"{name} {action}" for action in _commands(capsys, name)] or [name]
        assert re.findall(r"```\{options\} (.*)", page) == expected


def test_the_page_of_the_manifest_has_its_keys(
    photos: Path, stand_in_file: Path, tmp_path: Path
) -> None:
    words = ["--quiet", "--input", str(photos), "--model", str(stand_in_file)]
    assert main(["label", *words, "--output", str(tmp_path / "labels")]) == 0
    manifest = json.loads((tmp_path / "labels/_MANIFEST.json").read_text("utf-8"))
    page = (ROOT / "docs/schema.md").read_text("utf-8")
    table = page.partition("## The manifest")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    described = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
    assert described == {*manifest, "error"}


def test_a_column_without_words_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text('extensions = ["myst_parser", "reference_tables"]\n')
    (tmp_path / "index.md").write_text("# Page\n\n```{columns} failures\nuri: the picture\n```\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(
        command,
        env={"PYTHONPATH": f"{ROOT / 'docs'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no words for ['stage', 'reason', 'message'," in done.stderr


def _blocks(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Commands that a page shows, each with the lines that it prints."""
    for block in _CONSOLE.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.rstrip().splitlines()
            yield command, lines


def _lasting(lines: list[str]) -> list[str]:
    """The lines without what another machine or folder changes: times, sizes with paths in them."""
    masked = [
        re.sub(r"[\d.,]+", "#", line) if _OF_THIS_MACHINE.match(line) else line for line in lines
    ]
    masked = [re.sub(r"^(kernel +).*", r"\1#", line) for line in masked]
    return [re.sub(r"\s+", " ", line).strip() for line in masked]


@pytest.fixture
def desk(shared: Path, tmp_path: Path) -> Path:
    """A folder with the labelled photographs, the truth and the model, as the pages have it."""
    (tmp_path / "photos").mkdir()
    for path in (shared / "images/ilsvrc").glob("*.JPEG"):
        (tmp_path / "photos" / path.name).symlink_to(path)
    (tmp_path / "truth.csv").symlink_to(shared / "images/ilsvrc/truth.csv")
    (tmp_path / MODEL).symlink_to(shared / "models" / MODEL)
    return tmp_path


WITH_OUTPUT = [page for page in (README, *PAGES) if "```console" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", WITH_OUTPUT, ids=lambda page: page.stem)
def test_commands_print_what_is_shown(
    page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README makes the run that the pages of other commands work on."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    if page != README:
        label = ["label", "--quiet", "--input", "photos", "--output", "labels"]
        assert main([*label, "--model", MODEL]) == 0
    for command, expected in _blocks(page):
        program, *words = shlex.split(command)
        if program == "quantlabel":
            assert main(words) == 0
            assert _lasting(capsys.readouterr().out.splitlines()) == _lasting(expected), command
