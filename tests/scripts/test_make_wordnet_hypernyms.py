"""The script makes the table that is in the repository, from a file in WordNet's own format."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import make_wordnet_hypernyms
from transforms.network.wordnet import Synset, synsets


def _line(synset: Synset) -> str:
    """A line of data.noun as wndb(5WN) describes it, with pointers that are no hypernyms."""
    words = " ".join(f"{name.replace(' ', '_')} 0" for name in synset.names)
    pointers = ["~ 99999999 n 0000", "#p 99999998 n 0000"]
    pointers += [f"@ {parent[1:]} n 0000" for parent in synset.parents]
    head = f"{synset.synset[1:]} 05 n {len(synset.names):02x} {words} {len(pointers):03d}"
    return f"{head} {' '.join(pointers)} | what @ 12345678 n 0000 | means  \n"


def _data_noun(folder: Path, *, without: str = "") -> Path:
    lines = [_line(synset) for synset in synsets().values() if synset.synset != without]
    lines.append(_line(Synset("n99999999", ("of no interest",), ("n00001740",), ())))
    path = folder / "data.noun"
    path.write_text("  1 This is the license  \n" + "".join(lines), encoding="latin-1")
    return path


def test_it_writes_the_table_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = make_wordnet_hypernyms.TABLE.read_bytes()
    monkeypatch.setattr(make_wordnet_hypernyms, "TABLE", tmp_path / "table.tsv")
    make_wordnet_hypernyms.main([str(_data_noun(tmp_path))])
    assert (tmp_path / "table.tsv").read_bytes() == committed


def test_the_table_has_a_heading_and_tabs() -> None:
    lines = make_wordnet_hypernyms.TABLE.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == [
        "synset\tparents\tnames",
        "n00001740\t\tentity",
        "n00001930\tn00001740\tphysical entity",
    ]
    assert "n02123045\tn02121808\t" in lines  # tabby, named in the table of classes
    assert len(lines) == 1861


def test_another_version_of_wordnet_is_refused(tmp_path: Path) -> None:
    path = _data_noun(tmp_path, without="n02123045")
    with pytest.raises(ValueError, match="1 classes are missing, n02123045 first"):
        make_wordnet_hypernyms.table(path)
