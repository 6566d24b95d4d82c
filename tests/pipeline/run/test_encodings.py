"""One picture in every encoding and container: one label, or the true reason why there is none."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.cli import main
from tests.helpers import encodings
from tests.helpers.archives import write_parquet, write_tar, write_tfrecord, write_zip
from tests.helpers.encoded import difference
from tests.helpers.http_server import serve
from transforms.images.preprocess import load

pytestmark = pytest.mark.slow

_TARS = {".tar": "w", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def _label(out: Path, model: Path, *inputs: Path | str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows and failures by what their uri ends in, which is the name of the file as a rule."""
    words = [word for each in inputs for word in ("--input", str(each))]
    options = ["--output", str(out), "--model", str(model), "--quiet", "--allow-private-hosts"]
    assert main(["label", *words, *options]) == 0
    (path,) = out.glob("predictions-*.parquet")
    rows = {row["uri"]: row for row in pq.read_table(path).to_pylist()}
    failures = {}
    for path in out.glob("__failures/failures-*"):
        for line in path.read_text("utf-8").splitlines():
            failure = json.loads(line)
            failures[Path(failure["uri"]).name] = failure
    return rows, failures


def test_every_encoding_of_a_picture_has_its_label(stand_in_file: Path, tmp_path: Path) -> None:
    files, references = encodings.read(), encodings.references()
    for name, content in files.items():
        _write(tmp_path / "in" / name, content)
    for name, content in references.items():
        _write(tmp_path / "in" / "references" / f"{name}.png", content)
    rows, failures = _label(tmp_path / "out", stand_in_file, tmp_path / "in")
    assert {name: failure["message"] for name, failure in failures.items()} == {}
    by_name = {uri.removeprefix(f"{tmp_path}/in/"): row["label"] for uri, row in rows.items()}
    expected = {name: by_name.pop(f"references/{name}.png") for name in references}
    assert len(set(expected.values())) > 3
    assert len(by_name) == len(files) > 150
    others = {name for name, label in by_name.items() if label != expected[_reference(name)]}
    # Where the first two classes are close, what an encoder loses decides; see the next test.
    assert len(others) <= 3, others


def test_every_encoding_of_a_picture_is_the_same_input() -> None:
    """Within what its encoder and the 8 bits of another colour space lose."""
    references = {name: load(content).pixels for name, content in encodings.references().items()}
    apart = {
        name: difference(load(content).pixels, references[_reference(name)])
        for name, content in encodings.read().items()
    }
    assert {name: levels for name, levels in apart.items() if levels > 3} == {}
    # One that lies on its side, or has other colours, would be noticed.
    pairs = itertools.combinations(references.values(), 2)
    assert sorted(difference(*pair) for pair in pairs)[1] > 10


def test_every_container_of_pictures_gives_their_labels(
    stand_in_file: Path, tmp_path: Path
) -> None:
    files = encodings.some(encodings.read())
    folder = tmp_path / "in"
    for name, content in files.items():
        _write(folder / name, content)
    names, contents = list(files), list(files.values())
    members = list(files.items())
    for suffix, mode in _TARS.items():
        write_tar(tmp_path / f"a{suffix}", members, mode=mode)
    write_zip(tmp_path / "a.zip", files)
    write_parquet(tmp_path / "a.parquet", {"image": contents})
    write_tfrecord(tmp_path / "a.tfrecord", [{"image/encoded": each} for each in contents])
    archives = [*(f"a{suffix}" for suffix in _TARS), "a.zip", "a.parquet", "a.tfrecord"]
    with serve() as server:
        urls = [server.put(f"/{at}", content) for at, content in enumerate(contents)]
        (tmp_path / "list.txt").write_text("\n".join(urls))
        inputs = [folder, *(tmp_path / name for name in archives), tmp_path / "list.txt"]
        rows, failures = _label(tmp_path / "out", stand_in_file, *inputs)
    assert {name: failure["message"] for name, failure in failures.items()} == {}
    labels = {uri: row["label"] for uri, row in rows.items()}
    assert len(labels) == len(files) * (len(archives) + 2)
    for at, (name, url) in enumerate(zip(names, urls, strict=True)):
        expected = labels[str(folder / name)]
        assert labels[url] == expected
        for archive in archives:
            member = name if archive.startswith(("a.tar", "a.zip")) else at
            assert labels[f"{tmp_path / archive}#{member}"] == expected


def test_what_is_not_read_says_why(stand_in_file: Path, tmp_path: Path) -> None:
    files = encodings.refused()
    for name, (content, _, _) in files.items():
        _write(tmp_path / "in" / name, content)
    _write(tmp_path / "in" / "one.png", encodings.references()["photo"])
    rows, failures = _label(tmp_path / "out", stand_in_file, tmp_path / "in")
    assert len(rows) == 1
    for name, (_, reason, words) in files.items():
        failure = failures[name]
        assert (name, failure["reason"], words in failure["message"]) == (name, reason, True), (
            failure
        )
    assert len(failures) == len(files)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _reference(name: str) -> str:
    return name.partition(",")[0]
