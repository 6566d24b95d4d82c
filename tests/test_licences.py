"""LICENCES.md names all that comes with quantlabel, and nothing under the GPL comes unasked."""

from __future__ import annotations

import re
import tomllib

from scripts.make_licences import image, requirements
from tests.helpers.root import ROOT

_COPYLEFT = re.compile(r"(?<![L])GPL|General Public License")


def _tables() -> list[dict[str, list[str]]]:
    """Name to the other cells, of each table of the page."""
    tables: list[dict[str, list[str]]] = []
    for line in (ROOT / "LICENCES.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            tables.append({})
        elif line.startswith("| ") and not line.startswith(("| package", "| crate")):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            tables[-1][name] = cells
    return tables


def test_each_package_that_is_installed_is_named_with_its_licence() -> None:
    packages, crates, in_image = _tables()
    assert [(name, cells[0]) for name, cells in packages.items()] == [
        (name, extra or "all") for name, extra in requirements()
    ]
    lock = tomllib.loads((ROOT / "native/Cargo.lock").read_text("utf-8"))
    assert list(crates) == sorted(each["name"] for each in lock["package"] if "source" in each)
    assert list(in_image) == image()
    assert all(cells[1] for cells in packages.values())
    assert all(cells[0] for cells in (*crates.values(), *in_image.values()))


def test_nothing_under_the_gpl_comes_unasked() -> None:
    packages, crates, in_image = _tables()
    strict = {name for name, cells in packages.items() if _COPYLEFT.search(cells[1])}
    assert strict - {"pi-heif"} == {"pillow-jxl-plugin"}
    assert packages["pillow-jxl-plugin"][0] == "jxl"
    assert "Lesser" in packages["pi-heif"][1]
    assert not any(_COPYLEFT.search(cells[0]) for cells in crates.values())
    said = {name: cells[0] for name, cells in in_image.items() if _COPYLEFT.search(cells[0])}
    assert set(said) <= {"pi-heif"}, said
