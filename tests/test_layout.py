"""The shape of the packages: where tests are found, sizes of folders, chains of imports."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.helpers.root import ROOT

PACKAGES = ("pipeline", "transforms")
MOST_MODULES = 14
"""In a folder, without its `__init__.py`: what one takes in at a glance."""

COVERED: Mapping[str, str] = {
    # Commands parse flags and print: they are run by the tests of the work that they start.
    "pipeline/evaluate/command.py": "tests/pipeline/evaluate/test_evaluate.py",
    "pipeline/explore/duplicates_command.py": "tests/pipeline/explore/test_duplicates.py",
    "pipeline/explore/review_command.py": "tests/pipeline/explore/test_review.py",
    "pipeline/explore/search_command.py": "tests/pipeline/explore/test_search.py",
    "pipeline/heads/command.py": "tests/pipeline/heads/test_fit.py",
    "pipeline/labels/command.py": "tests/pipeline/labels/test_search.py",
    "pipeline/models/actions.py": "tests/pipeline/models/float_module/test_describe.py",
    "pipeline/models/command.py": "tests/pipeline/models/convert/test_export.py",
    "pipeline/run/plan_command.py": "tests/pipeline/run/test_plan.py",
    "pipeline/verify/command.py": "tests/pipeline/verify/test_verify.py",
    # Parts of one piece of work whose tests share what is slow to make: browser, TensorFlow, runs.
    "pipeline/models/convert/taps.py": "tests/pipeline/models/convert/test_compare.py",
    "pipeline/models/float_module/load.py": "tests/pipeline/models/test_image_model.py",
    "pipeline/models/tflite/graph.py": "tests/pipeline/models/tflite/test_stand_in.py",
    "pipeline/report/evaluation.py": "tests/pipeline/report/test_page.py",
    "pipeline/report/failures.py": "tests/pipeline/report/test_page.py",
    "pipeline/run/folder/owner.py": "tests/pipeline/run/folder/test_lock.py",
    "pipeline/run/graph.py": "tests/pipeline/run/test_label_command.py",
    "pipeline/run/relabel.py": "tests/pipeline/verify/test_verify.py",
    "pipeline/run/sample.py": "tests/pipeline/run/test_plan.py",
    "pipeline/verify/sample.py": "tests/pipeline/verify/test_verify.py",
    "transforms/images/guarded/child.py": "tests/transforms/images/guarded/test_guard.py",
    "transforms/images/guarded/wire.py": "tests/transforms/images/guarded/test_guard.py",
    "transforms/storage/beam_files.py": "tests/transforms/storage/test_s3.py",
    # Declarations.
    "transforms/network/scoring.py": "tests/transforms/network/test_ranking.py",
    "transforms/records.py": "tests/transforms/rows/test_schema.py",
}
"""Source file to the tests that cover it, where they are not called like it."""


@functools.cache
def _modules() -> Mapping[str, Path]:
    """Dotted name to file, of both packages."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _sources() -> list[str]:
    """Paths of the modules that hold code, relative to the repository."""
    paths = (path for path in _modules().values() if not path.stem.startswith("_"))
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _test_file(source: str) -> Path:
    path = Path(source)
    return ROOT / "tests" / path.with_name(f"test_{path.name}")


@pytest.mark.parametrize("source", _sources())
def test_tests_are_found_by_the_name_of_the_source(source: str) -> None:
    if not _test_file(source).exists():
        assert source in COVERED, f"write {_test_file(source).relative_to(ROOT)}"


@pytest.mark.parametrize(("source", "tests"), COVERED.items())
def test_exceptions_are_still_true(source: str, tests: str) -> None:
    assert (ROOT / source).is_file()
    assert (ROOT / tests).is_file()
    assert not _test_file(source).exists(), "it has its own tests: take it out of COVERED"


def test_exceptions_are_few() -> None:
    assert len(COVERED) <= 25


def test_a_folder_is_taken_in_at_a_glance() -> None:
    folders = Counter(Path(source).parent.as_posix() for source in _sources())
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES} == {}


def _statements(body: Iterable[ast.AST], *, at_import: bool) -> Iterator[ast.stmt]:
    """The import statements; `at_import` leaves out those inside of functions."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _statements(node.orelse, at_import=at_import)
        elif not (at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from _statements(ast.iter_child_nodes(node), at_import=at_import)


def _imported(path: Path, *, at_import: bool) -> set[str]:
    """Modules of ours that a file names in its imports."""
    found = set()
    for node in _statements(ast.parse(path.read_text("utf-8")).body, at_import=at_import):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            module = node.module or "" if isinstance(node, ast.ImportFrom) else alias.name
            inner = f"{module}.{alias.name}"
            found.add(inner if inner in _modules() else module)
    return found & _modules().keys()


def _longest_chain(*, at_import: bool) -> Sequence[str]:
    """Modules of which each imports the next; fails at a cycle."""
    chains: dict[str, Sequence[str]] = {}

    def chain(name: str, above: tuple[str, ...] = ()) -> Sequence[str]:
        assert name not in above, f"a cycle: {above}"
        if name not in chains:
            below = _imported(_modules()[name], at_import=at_import) - {name}
            rest = [chain(each, (*above, name)) for each in sorted(below)]
            chains[name] = [name, *max(rest, key=len, default=[])]
        return chains[name]

    return max((chain(name) for name in _modules()), key=len)


@pytest.mark.parametrize(("at_import", "most"), [(False, 18), (True, 14)])
def test_chains_of_imports_are_short(at_import: bool, most: int) -> None:
    found = _longest_chain(at_import=at_import)
    assert len(found) <= most, " > ".join(found)
