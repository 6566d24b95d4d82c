"""Damaged inputs through the whole product: runs of them, as files, in archives and in lists.

    python -m tests.helpers.fuzz_runs --folder /tmp/fuzz --seed 7 --minutes 12

Each round is one `label` and one `verify` of some ten thousand inputs. A fifth are damaged pictures
as files, most are damaged pictures in whole archives, and some are archives and lists that are
damaged themselves. However damaged: no traceback, no process that dies, one row for each file and
each member, sums that are exact, and an end within minutes. A mistake ends the program with an
AssertionError, and leaves the folder of its round.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from tests.helpers.archives import write_tar, write_tfrecord
from tests.helpers.encoded import encoded, waves
from tests.helpers.fuzz import corpus, damaged

_FILES, _ARCHIVES, _MEMBERS, _BROKEN, _LINES = 4_000, 40, 400, 400, 3_000
"""Of a round: damaged pictures; whole archives, and damaged pictures in each; damaged archives; and
damaged lines of each of two lists."""

_ROUND_S = 900.0

_SUFFIXES = (".tar", ".tar", ".tgz", ".parquet", ".tfrecord")


def _write(path: Path, pictures: Sequence[bytes]) -> set[str]:
    """An archive of pictures; returns the names of its members."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"image": list(pictures)}), path)
        return {str(at) for at in range(len(pictures))}
    if path.suffix == ".tfrecord":
        write_tfrecord(path, [{"image/encoded": content} for content in pictures])
        return {str(at) for at in range(len(pictures))}
    names = [f"{at:05d}.jpg" for at in range(len(pictures))]
    mode = "w:gz" if path.suffix == ".tgz" else "w"
    write_tar(path, list(zip(names, pictures, strict=True)), mode=mode)
    return set(names)


def _lay_out(root: Path, seed: int) -> tuple[list[Path], set[str], int]:
    """Makes the inputs of a round.

    Returns:
        What to give to `--input`, the uris that must have one row each, and how many things are
        damaged.
    """
    chance, files, number = random.Random(seed), corpus(), 0

    def pictures(count: int) -> Iterator[bytes]:
        nonlocal number
        for _ in range(count):
            number += 1
            yield damaged(files, seed=seed, number=number)

    folder, uris = root / "in", set()
    folder.mkdir(parents=True)
    for at, content in enumerate(pictures(_FILES)):
        path = folder / f"f{at:06d}.jpg"
        path.write_bytes(content)
        uris.add(str(path))
    for at in range(_ARCHIVES):
        path = folder / f"whole-{at}{_SUFFIXES[at % len(_SUFFIXES)]}"
        uris |= {f"{path}#{name}" for name in _write(path, list(pictures(_MEMBERS)))}
    whole = [encoded(waves(16, 16), "JPEG"), encoded(waves(8, 8), "PNG"), b"", b"x"]
    sources = {suffix: root / f"source{suffix}" for suffix in _SUFFIXES}
    for path in sources.values():
        _write(path, whole)
    for at in range(_BROKEN):
        suffix = _SUFFIXES[at % len(_SUFFIXES)]
        content = damaged([sources[suffix].read_bytes()], seed=seed, number=-at)
        (folder / f"broken-{at}{suffix}").write_bytes(content)
        number += 1
    lists = [root / "list.jsonl", root / "list.csv"]
    names = [f"in/f{chance.randrange(_FILES):06d}.jpg" for _ in range(_LINES)]
    rows = [json.dumps({"uri": name, "n": [1, None, {"a": "é"}]}).encode() for name in names]
    lists[0].write_bytes(b"\n".join(damaged([row], seed=seed, number=9) for row in rows))
    cells = [f'{name},"a ""b"", c",1'.encode() for name in names]
    broken = [damaged([row], seed=seed + at, number=8) for at, row in enumerate(cells)]
    lists[1].write_bytes(b"\n".join([b"uri,title,n", *broken]))
    return [folder, *lists], uris, number + 2 * _LINES


def _run(*words: object) -> float:
    """One command, which must end well; returns how long it took."""
    start = time.monotonic()
    command = [sys.executable, "-X", "faulthandler", "-m", "pipeline", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_ROUND_S, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (0, False), f"{words[0]}: {said[-4000:]}"
    return time.monotonic() - start


def one_round(root: Path, *, seed: int) -> dict[str, Any]:
    """Lays out, labels, verifies, counts.

    Args:
        root: a folder to make.
        seed: of everything in it.
    """
    root = root.absolute()
    inputs, uris, count = _lay_out(root, seed)
    model = root / "stand-in.tflite"
    model.write_bytes(stand_in())
    out = root / "out"
    given = [word for path in inputs for word in ("--input", path)]
    seconds = _run("label", "--quiet", *given, "--output", out, "--model", model)
    _run("verify", out, "--sample", "50")
    run = open_run(str(out))
    rows = collections.Counter(
        uri
        for tables in (run.predictions(), run.failures())
        for table in tables
        for uri in table["uri"].to_pylist()
    )
    assert max(rows.values()) == 1
    assert uris <= rows.keys(), sorted(uris - rows.keys())[:5]
    manifest = run.manifest
    assert manifest.inputs == manifest.predictions + manifest.failures == rows.total()
    return {
        "damaged": count,
        "predictions": manifest.predictions,
        **manifest.failures_by_reason,
        "label_seconds": round(seconds),
    }


def main() -> None:
    """Rounds until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=12.0)
    given = parser.parse_args()
    until, total = time.monotonic() + 60 * given.minutes, collections.Counter[str]()
    seed = given.seed
    while time.monotonic() < until:
        folder = given.folder / str(seed)
        total += collections.Counter(one_round(folder, seed=seed))
        print(json.dumps({"seed": seed, **total}), flush=True)
        shutil.rmtree(folder)
        seed += 1


if __name__ == "__main__":
    main()
