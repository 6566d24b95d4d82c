"""Damaged inputs through the whole product: runs of them, as files, in archives and in lists.

    python -m tests.helpers.fuzz_runs --folder /tmp/fuzz --seed 7 --count 1000000
    python -m tests.helpers.fuzz_runs --folder /tmp/fuzz --seed 9 --count 1

Each round is a hundred thousand damaged things and depends on its seed alone; the second line makes
one round once more. It is two runs, each labelled and verified: a folder with damaged pictures as
files, with whole archives that are full of them, and with archives that are damaged themselves; and
lists whose lines are damaged. However damaged: no traceback, no process that dies, one row for each
file, member and line, sums that are exact, and an end within an hour. A mistake ends the program
with an AssertionError that names the seed, and leaves the folder of its round.

The pictures have a few hundred pixels, and at most `_MOST_BYTES` bytes and `_MOST_PIXELS` pixels
after the damage: what large ones do is tried by `tests.helpers.fuzz`, without a run.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from pipeline.run.folder.manifest import Manifest
from tests.helpers import format_fuzz
from tests.helpers.archives import write_tar, write_zip
from tests.helpers.encoded import encoded, waves
from tests.helpers.fuzz import corpus, damaged
from transforms.rows.tfrecord import example_class, framed

_FILES, _ARCHIVES, _MEMBERS, _BROKEN, _LINES = 4_000, 25, 3_500, 1_000, 2_500
"""Of a round: damaged pictures; whole archives, and damaged pictures in each; damaged archives; and
damaged lines of each of three lists."""

_MOST_BYTES, _MOST_PIXELS = 16_384, 1_000_000

_GUARDED = 50
"""Of so many pictures one is of a format whose decoder runs in a process of its own."""

_RUN_S = 3600.0

_OF_STORAGE = {"io_error", "permission_denied", "timeout", "unavailable"}
"""Reasons that would blame the storage for damage."""

_OF_PICTURES, _OF_ARCHIVES, _OF_LINES = 0, 10_000_000, 20_000_000
"""Where the numbers of what is damaged begin."""


# --- inputs


def _named(count: int) -> list[str]:
    return [f"{at:05d}.jpg" for at in range(count)]


def _tar(mode: str) -> Callable[[Path, Sequence[bytes]], Sequence[str]]:
    def write(path: Path, pictures: Sequence[bytes]) -> Sequence[str]:
        names = _named(len(pictures))
        write_tar(path, list(zip(names, pictures, strict=True)), mode=mode)
        return names

    return write


def _zip(path: Path, pictures: Sequence[bytes]) -> Sequence[str]:
    names = _named(len(pictures))
    write_zip(path, dict(zip(names, pictures, strict=True)))
    return names


def _parquet(path: Path, pictures: Sequence[bytes]) -> Sequence[str]:
    pq.write_table(pa.table({"image": list(pictures)}), path)
    return [str(at) for at in range(len(pictures))]


def _tfrecord(path: Path, pictures: Sequence[bytes]) -> Sequence[str]:
    # Not with tensorflow, which takes half a minute to load on a busy machine.
    with path.open("wb") as file:
        for content in pictures:
            example = example_class()()
            example.features.feature["image/encoded"].bytes_list.value.append(content)
            file.write(framed(example.SerializeToString()))
    return [str(at) for at in range(len(pictures))]


_WRITERS: Mapping[str, Callable[[Path, Sequence[bytes]], Sequence[str]]] = {
    ".tar": _tar("w"),
    ".tgz": _tar("w:gz"),
    ".zip": _zip,
    ".parquet": _parquet,
    ".tfrecord": _tfrecord,
}
"""Extension to what writes pictures to such an archive, and returns the names of its members."""


def _pictures(seed: int) -> Iterator[bytes]:
    files, guarded = corpus(), format_fuzz.corpus()
    for number in itertools.count(_OF_PICTURES):
        originals = files if number % _GUARDED else guarded
        yield damaged(originals, seed=seed, number=number)[:_MOST_BYTES]


def _changed(original: bytes, *, seed: int, number: int) -> bytes:
    """The original after damage that has changed it; numbers a hundred apart do not meet."""
    some = (damaged([original], seed=seed, number=number + more) for more in range(100))
    return next(content for content in some if content != original)


def _lay_out_folder(folder: Path, *, seed: int) -> set[str]:
    """Makes a folder of damaged things; returns the uris that must have one row each.

    All other rows must be those of archives called `broken-`.
    """
    folder.mkdir(parents=True)
    pictures, uris = _pictures(seed), set()
    for name, content in zip(_named(_FILES), pictures, strict=False):
        (folder / name).write_bytes(content)
        uris.add(str(folder / name))
    kinds = list(_WRITERS.items())
    for at in range(_ARCHIVES):
        suffix, write = kinds[at % len(kinds)]
        path = folder / f"whole-{at}{suffix}"
        members = write(path, list(itertools.islice(pictures, _MEMBERS)))
        uris |= {f"{path}#{name}" for name in members}
    whole = [encoded(waves(16, 16), "JPEG"), encoded(waves(8, 8), "PNG"), b"", b"x"] * 5
    for suffix, write in kinds:
        source = folder.parent / f"source{suffix}"
        write(source, whole)
        original = source.read_bytes()
        for at in range(_BROKEN // len(kinds)):
            number = _OF_ARCHIVES + 100 * (at * len(kinds) + list(_WRITERS).index(suffix))
            content = _changed(original, seed=seed, number=number)
            (folder / f"broken-{at}{suffix}").write_bytes(content)
    return uris


_TITLE = '"a ""b"", c"'


def _lay_out_lists(root: Path, names: Sequence[str], *, seed: int) -> tuple[list[Path], int]:
    """Makes lists whose lines are damaged but for every second one of the CSV.

    Args:
        root: where.
        names: of files in the folder `in`, one for each line.
        seed: of the damage.

    Returns:
        The lists, and how many things they list at least: every line of the first two, and each
        line of the CSV that is not damaged.
    """
    numbers = itertools.count(_OF_LINES, 100)

    def broken(line: str) -> bytes:
        return _changed(line.encode(), seed=seed, number=next(numbers))

    rows = [json.dumps({"uri": f"in/{name}", "n": [1, None, {"a": "é"}]}) for name in names]
    lists = {
        "list.jsonl": [rows[0].encode(), *map(broken, rows)],
        "list.txt": [f"in/{names[0]}".encode(), *(broken(f"in/{name}") for name in names)],
        "list.csv": [b"uri,title,n"],
    }
    for name in names:
        line = f"in/{name},{_TITLE},1"
        # The strict reader stops at the first quote of a whole line that a broken one has taken.
        lists["list.csv"] += [broken(line), line.encode()]
    for name, lines in lists.items():
        (root / name).write_bytes(b"\n".join(lines))
    things = len(names)  # of the CSV
    for name in ("list.jsonl", "list.txt"):
        text = (root / name).read_bytes().decode("utf-8", "surrogateescape")
        found = re.split("\r\n|\r|\n", text)
        things += sum(bool(each.strip() if name == "list.jsonl" else each) for each in found)
    return [root / name for name in lists], things


# --- runs


def _command(*words: object) -> float:
    """One command, which must end well; returns how long it took."""
    start = time.monotonic()
    command = [sys.executable, "-X", "faulthandler", "-m", "pipeline", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_S, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in said) == (0, False), f"{words[0]}: {said[-4000:]}"
    return time.monotonic() - start


def _labelled(inputs: Sequence[Path], out: Path, model: Path) -> tuple[Manifest, set[str], float]:
    """Labels and verifies; returns the manifest, the uris of the rows and the time for both."""
    given = [word for path in inputs for word in ("--input", path)]
    how = ("--max-pixels", _MOST_PIXELS)
    seconds = _command("label", "--quiet", *given, "--output", out, "--model", model, *how)
    seconds += _command("verify", out, "--sample", "50")
    run = open_run(str(out))
    uris = [
        uri
        for tables in (run.predictions(), run.failures())
        for table in tables
        for uri in table["uri"].to_pylist()
    ]
    manifest = run.manifest
    assert len(set(uris)) == len(uris)
    assert manifest.inputs == manifest.predictions + manifest.failures == len(uris)
    return manifest, set(uris), seconds


def one_round(root: Path, *, seed: int) -> dict[str, Any]:
    """Lays out, labels, verifies, counts.

    Args:
        root: a folder to make.
        seed: of everything in it.

    Returns:
        How many things were damaged, and what became of them.
    """
    root = root.absolute()
    folder, model = root / "in", root / "stand-in.tflite"
    expected = _lay_out_folder(folder, seed=seed)
    names = _named(_LINES)
    lists, things = _lay_out_lists(root, names, seed=seed)
    model.write_bytes(stand_in())
    of_folder, uris, seconds = _labelled([folder], root / "out", model)
    missing, others = expected - uris, uris - expected
    assert not missing, sorted(missing)[:5]
    assert all(uri.startswith(f"{folder}/broken-") for uri in others)
    silent = {path.name for path in folder.glob("broken-*")}
    silent -= {uri.removeprefix(f"{folder}/").partition("#")[0] for uri in others}
    assert len(silent) <= of_folder.skipped, sorted(silent)[:5]
    of_lists, uris, more_seconds = _labelled(lists, root / "out-lists", model)
    assert {str(folder / name) for name in names} <= uris
    assert of_lists.inputs + of_lists.duplicates >= things
    reasons = collections.Counter(of_folder.failures_by_reason)
    reasons.update(of_lists.failures_by_reason)
    assert not reasons.keys() & _OF_STORAGE, dict(reasons)
    return {
        "damaged": _FILES + _ARCHIVES * _MEMBERS + _BROKEN + 3 * _LINES,
        "predictions": of_folder.predictions + of_lists.predictions,
        **reasons,
        "seconds_of_runs": round(seconds + more_seconds),
    }


def main() -> None:
    """Rounds until enough has been damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000)
    given = parser.parse_args()
    total = collections.Counter[str]()
    for seed in itertools.count(given.seed):
        folder = given.folder / str(seed)
        print(json.dumps({"seed": seed}), file=sys.stderr, flush=True)
        total += collections.Counter(one_round(folder, seed=seed))
        print(json.dumps({"seed": seed, **total}), flush=True)
        shutil.rmtree(folder)
        if total["damaged"] >= given.count:
            return


if __name__ == "__main__":
    main()
