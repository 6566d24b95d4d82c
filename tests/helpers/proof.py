"""The proof at scale: many references with every kind of trouble, killed, resumed, verified.

    python -m tests.helpers.proof --count 1000000 --folder /tmp/proof

Of each hundred references ten are small pictures, one or more are of each kind of trouble in
`_CONTENTS` and `_hundred`, and the rest name files that are not there. The run is killed at
random moments and resumed; then manifest, rows, `verify` and ledger must say exactly what was laid
out. A mistake ends the program with an AssertionError.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from tests.helpers.encoded import encoded, png, png_chunk, waves

_PICTURE = "picture"

_JPEG = encoded(waves(16, 16), "JPEG")
_PNG = encoded(waves(16, 16), "PNG")

_CONTENTS = {
    "empty": b"",
    "truncated": _JPEG[: len(_JPEG) // 2],
    "unknown_format": b"no picture at all",
    "corrupt": _PNG.replace(b"IDAT", b"IDAT" + bytes(40), 1),
    "unsupported": _JPEG.replace(b"\xff\xc0", b"\xff\xcb", 1),
    "too_many_pixels": png(
        20_000, 10_000, depth=1, colour=0, chunks=png_chunk(b"IDAT", zlib.compress(bytes(2_501)))
    ),
}
"""Files by the reason that each must fail for."""

_OUTCOMES = {"folder": "not_a_file", "pipe": "not_a_file", "loop": "not_found"}
"""Of what is no file."""


class Laid(NamedTuple):
    """What was laid out.

    Attributes:
        inputs: an input list, and a folder with files that are skipped.
        outcomes: how many pictures must have each outcome: `picture`, or the reason of a failure.
        duplicates: references that were listed before.
        skipped: files that are no pictures.
    """

    inputs: tuple[Path, Path]
    outcomes: dict[str, int]
    duplicates: int
    skipped: int


def lay_out(root: Path, count: int) -> Laid:
    """Makes the inputs.

    Args:
        root: a folder to make.
        count: references, in whole hundreds.
    """
    root.mkdir(parents=True)
    for name, content in {_PICTURE: _JPEG, **_CONTENTS}.items():
        (root / name).write_bytes(content)
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to(root / "loop")
    outcomes: collections.Counter[str] = collections.Counter()
    listing, folder = root / "list.jsonl", root / "more"
    with listing.open("wb") as file:
        for first in range(0, count, 100):
            for outcome, line in _hundred(root, first):
                outcomes[outcome] += 1
                file.write(line + b"\n")
            file.write(line + b"\n")  # the last one again
    folder.mkdir()
    for number in range(count // 100):
        (folder / f"{number}.odd").touch()
    (folder / "one.jpg").symlink_to(root / _PICTURE)
    outcomes[_PICTURE] += 1
    return Laid((listing, folder), dict(outcomes), count // 100, count // 100)


def _hundred(root: Path, first: int) -> Iterator[tuple[str, bytes]]:
    """The outcomes and lines of a hundred references."""
    folder = root / "files" / f"{first:07d}"
    folder.mkdir(parents=True)
    links = [_PICTURE] * 10 + [*_CONTENTS, "folder", "pipe", "loop"]
    for number, target in enumerate(links):
        path = folder / f"{number}.jpg"
        path.symlink_to(root / target)
        yield _OUTCOMES.get(target, target), _line(uri=str(path), title=f"{target} {number}")
    yield "bad_manifest_row", _line(title="no uri")
    yield "bad_manifest_row", b'{"uri": "half a line'
    yield "bad_manifest_row", b'{"uri": "a.jpg", "deep": ' + b"[" * 2_000
    yield "unsupported_uri", _line(uri=f"http://[bad/{first}.jpg")
    yield "unsupported_uri", _line(uri=f"ftp://user:secret@host/{first}.jpg")
    yield "not_found", _line(uri=f"{folder}/odd \\ \t \"'# é.jpg")
    yield "not_found", _line(uri=f"{root}/{_PICTURE}/{first}.jpg")  # below a file
    for number in range(len(links) + 7, 100):
        yield "not_found", _line(uri=f"{folder}/{number}.jpg")


def _line(**row: str) -> bytes:
    return json.dumps(row).encode()


# --- the run


def _label(laid: Laid, out: Path, model: Path) -> subprocess.Popen[bytes]:
    words = ["--output", str(out), "--model", str(model), "--resume", "--quiet"]
    for given in laid.inputs:
        words += ["--input", str(given)]
    command = [sys.executable, "-m", "pipeline", "label", *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def killed(laid: Laid, out: Path, model: Path, *, kills: int, seconds: float, seed: int) -> int:
    """Starts the run and kills it at random moments; returns how often it was still at work.

    Args:
        laid: the inputs.
        out: folder of the run.
        model: that labels.
        kills: how often.
        seconds: the latest moment.
        seed: of the moments.
    """
    chance, met = random.Random(seed), 0
    for _ in range(kills):
        run = _label(laid, out, model)
        try:
            run.communicate(timeout=chance.uniform(0.1, 1) * seconds)
        except subprocess.TimeoutExpired:
            met += 1
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
    return met


def finish(laid: Laid, out: Path, model: Path) -> None:
    """Runs to the end."""
    run = _label(laid, out, model)
    _, said = run.communicate()
    assert (run.returncode, said) == (0, b""), said.decode()


def check(laid: Laid, out: Path) -> dict[str, Any]:
    """Holds manifest, rows, `verify` and ledger against what was laid out; returns the counts."""
    manifest = open_run(str(out)).manifest
    failures = {name: count for name, count in laid.outcomes.items() if name != _PICTURE}
    assert dict(manifest.failures_by_reason) == failures
    assert manifest.predictions == laid.outcomes[_PICTURE]
    assert manifest.inputs == sum(laid.outcomes.values())
    assert (manifest.duplicates, manifest.skipped) == (laid.duplicates, laid.skipped)
    command = [sys.executable, "-m", "pipeline"]
    subprocess.run([*command, "verify", str(out), "--sample", "20"], check=True)
    subprocess.run([*command, "export", str(out), "--to", "ledger"], check=True)
    ledger = pq.read_table(out / "__export/ledger/ledger.parquet", columns=["uri", "outcome"])
    found = {row["values"]: row["counts"] for row in pc.value_counts(ledger["outcome"]).to_pylist()}
    assert found == {
        "prediction": manifest.predictions,
        "failure": manifest.failures,
        "skipped": laid.skipped,
    }
    assert pc.count_distinct(ledger["uri"]).as_py() == ledger.num_rows
    assert not any(b"secret" in file.read_bytes() for file in out.glob("__failures/failures-*"))
    return {"inputs": manifest.inputs, **found, **failures}


def prove(root: Path, count: int, *, kills: int, seconds: float, seed: int) -> dict[str, Any]:
    """Everything; returns what was counted and what it took.

    Args:
        root: a folder to make.
        count: references, in whole hundreds.
        kills: how often the run is killed.
        seconds: the latest moment of a kill, from the start of the run.
        seed: of the moments.
    """
    root = root.absolute()  # links lead to its files
    laid = lay_out(root / "inputs", count)
    model = root / "stand-in.tflite"
    model.write_bytes(stand_in())
    start = time.perf_counter()
    met = killed(laid, root / "out", model, kills=kills, seconds=seconds, seed=seed)
    finish(laid, root / "out", model)
    labelled = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    counts = check(laid, root / "out")
    return {
        **counts,
        "killed_at_work": met,
        "label_seconds": round(labelled - start, 1),
        "check_seconds": round(time.perf_counter() - labelled, 1),
        "label_peak_mb": round(peak / 1e6),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True, help="to make; is left there")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    result = prove(
        given.folder, given.count, kills=given.kills, seconds=given.seconds, seed=given.seed
    )
    print(json.dumps({"seed": given.seed, **result}, indent=2))
