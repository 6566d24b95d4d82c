"""The proof at scale: many references with every kind of trouble, killed, resumed, verified.

    python -m tests.helpers.proof --count 1000000 --folder /tmp/proof

They are given as an input list of lines, one in Parquet, a folder and a folder of a bucket. Of each
hundred references sixteen are small pictures, one or more are of each kind of trouble in
`_CONTENTS` and `_lines`, up to nine are members of an archive, which may be damaged, four are
objects in `gs://` and `s3://`, four have names that are not UTF-8, and the rest name files that are
not there. The run is killed at random moments and resumed; then manifest, rows, `verify` and ledger
must say exactly what was laid out. A mistake ends the program with an AssertionError.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import process
from deploy.emulator import Cloud, run_cloud
from pipeline.models.tflite.stand_in import stand_in
from pipeline.run.folder.finished import open_run
from tests.helpers import s3_server
from tests.helpers.archives import ARCHIVE_WRITERS, write_archive
from tests.helpers.encoded import encoded, png, png_chunk, waves

_PICTURE = "picture"

_GS = "bkt/pictures"
"""The folder in a bucket."""

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


_MEMBERS = [_PICTURE, *_CONTENTS, _PICTURE, _PICTURE]
"""Outcomes of the members of an archive that is whole."""

_DAMAGED = "damaged_shard"


class Stores(NamedTuple):
    """Storage on this machine that stands for that of others."""

    gs: Cloud
    s3: s3_server.Bucket

    def environment(self) -> Mapping[str, str]:
        """Of processes that use it."""
        found = {**os.environ, **s3_server.environment(self.s3.url)}
        return {**found, "STORAGE_EMULATOR_HOST": self.gs.url}


class Laid(NamedTuple):
    """What was laid out.

    Attributes:
        inputs: two input lists, a folder with files that are skipped too, one in a bucket.
        outcomes: how many pictures must have each outcome: `picture`, or the reason of a failure.
        duplicates: references that were listed before.
        skipped: files that are no pictures.
        environment: of processes that read them.
    """

    inputs: Sequence[str]
    outcomes: Mapping[str, int]
    duplicates: int
    skipped: int
    environment: Mapping[str, str]


def lay_out(root: Path, count: int, stores: Stores) -> Laid:
    """Makes the inputs.

    Args:
        root: a folder to make.
        count: references, in whole hundreds.
        stores: where some are put.
    """
    root.mkdir(parents=True)
    for name, content in {_PICTURE: _JPEG, **_CONTENTS}.items():
        (root / name).write_bytes(content)
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to(root / "loop")
    archives = list(_archives(root).items())
    outcomes: collections.Counter[str] = collections.Counter()
    listing, table, more = root / "list.jsonl", root / "list.parquet", root / "more"
    more.mkdir()
    uris: list[bytes | None] = []
    with listing.open("wb") as file:
        for at in range(count // 100):
            folder = root / "files" / f"{at:05d}"
            folder.mkdir(parents=True)
            here: collections.Counter[str] = collections.Counter()
            for outcome, line in _lines(root, folder):
                here[outcome] += 1
                file.write(line + b"\n")
            file.write(line + b"\n")  # the last one again
            here.update(_loose(more, at, root / _PICTURE))
            archive, members = archives[at % len(archives)]
            (folder / archive.name).symlink_to(archive)
            here.update(members)
            uris.append(os.fsencode(folder / archive.name))
            for found, given in _remote(stores, at):
                here.update(found)
                uris += given
            for outcome, uri in _rows(folder, root / _PICTURE, count=100 - here.total()):
                here[outcome] += 1
                uris.append(uri)
            uris.append(os.fsencode(folder / "0.jpg"))  # a line above names it too
            outcomes += here
    pq.write_table(pa.table({"uri": pa.array(uris, pa.binary()), "n": range(len(uris))}), table)
    (more / "one.jpg").symlink_to(root / _PICTURE)
    outcomes[_PICTURE] += 1
    inputs = (str(listing), str(table), str(more), f"gs://{_GS}")
    return Laid(inputs, outcomes, 2 * (count // 100), count // 100, stores.environment())


def _archives(root: Path) -> dict[Path, list[str]]:
    """One of each kind, one of each that is damaged; the outcomes of their members."""
    contents = [_JPEG if name == _PICTURE else _CONTENTS[name] for name in _MEMBERS]
    found = {}
    for suffix in ARCHIVE_WRITERS:
        whole, damaged = root / f"whole{suffix}", root / f"damaged{suffix}"
        odd = b"%d.jpg" if suffix == ".zip" else b"\xe9%d.jpg"  # zipfile writes texts only
        names = [os.fsdecode(odd % at) for at in range(len(contents))]
        write_archive(whole, dict(zip(names, contents, strict=True)))
        found[whole] = _MEMBERS
        content = bytearray(whole.read_bytes())
        if suffix in (".tar", ".tfrecord"):  # read from the beginning: the last member is lost
            last = content.rindex(_JPEG) + len(_JPEG) // 2
            content[last] ^= 1
            damaged.write_bytes(content[:last] if suffix == ".tar" else content)
            found[damaged] = [*_MEMBERS[:-1], _DAMAGED]
        else:  # the table of contents is at the end
            damaged.write_bytes(content[: len(content) // 2])
            found[damaged] = [_DAMAGED]
    return found


def _lines(root: Path, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Outcomes, and lines of the first list."""
    links = [_PICTURE] * 10 + [*_CONTENTS, "folder", "pipe", "loop"]
    for number, target in enumerate(links):
        path = folder / f"{number}.jpg"
        path.symlink_to(root / target)
        yield _OUTCOMES.get(target, target), _line(uri=str(path), title=f"{target} {number}")
    (folder / os.fsdecode(b"line \xe9.jpg")).symlink_to(root / _PICTURE)
    yield _PICTURE, _line(uri=f"{folder}/line ?.jpg", title="?").replace(b"?", b"\xe9")
    yield "not_found", _line(uri=f"{folder}/gone ?.jpg").replace(b"?", b"\xe9")
    yield "bad_manifest_row", _line(title="no uri")
    yield "bad_manifest_row", b'{"uri": "half a line'
    yield "bad_manifest_row", b'{"uri": "a.jpg", "deep": ' + b"[" * 2_000
    yield "unsupported_uri", _line(uri=f"http://[bad/{folder.name}.jpg")
    yield "unsupported_uri", _line(uri=f"ftp://user:secret@host/{folder.name}.jpg")
    yield "not_found", _line(uri=f"{folder}/odd \\ \t \"'# é.jpg")
    yield "not_found", _line(uri=f"{root}/{_PICTURE}/{folder.name}.jpg")  # below a file
    for number in range(len(links), 50):
        yield "not_found", _line(uri=f"{folder}/{number}.jpg")


def _loose(more: Path, at: int, picture: Path) -> list[str]:
    r"""Files of the folder; the name of one has the byte E9, that of the other spells it \xe9."""
    (more / f"{at}.odd").touch()
    for name in (b"%d \xe9.jpg" % at, rb"%d \xe9.jpg" % at):
        (more / os.fsdecode(name)).symlink_to(picture)
    return [_PICTURE] * 2


def _remote(stores: Stores, at: int) -> Iterator[tuple[list[str], list[bytes]]]:
    """Outcomes of objects, and what the second list says of them; one is in the listed bucket."""
    stores.gs.put(f"{_GS.removeprefix('bkt/')}/{at}.jpg", _JPEG)
    yield [_PICTURE], []
    yield ["not_found"], [b"gs://%s/%d-gone.jpg" % (_GS.encode(), at)]
    yield [_PICTURE], [stores.s3.put(f"{at}.jpg", _JPEG).encode()]
    yield ["not_found"], [b"s3://bkt/%d-gone.jpg" % at]


def _rows(folder: Path, picture: Path, *, count: int) -> Iterator[tuple[str, bytes | None]]:
    """Outcomes, and so many rows of the second list."""
    odd = os.fsencode(folder) + b"/row \xe9.jpg"
    os.symlink(picture, odd)
    yield _PICTURE, odd
    yield "bad_manifest_row", None
    for number in range(count - 2):
        yield "not_found", b"%s/row %d.jpg" % (os.fsencode(folder), number)


def _line(**row: str) -> bytes:
    return json.dumps(row).encode()


# --- the run


def _command(laid: Laid, out: Path, model: Path) -> list[str]:
    words = ["--output", str(out), "--model", str(model), "--resume", "--quiet"]
    for given in laid.inputs:
        words += ["--input", given]
    return [sys.executable, "-m", "pipeline", "label", *words]


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
        command, env = _command(laid, out, model), laid.environment
        run = subprocess.Popen(command, start_new_session=True, env=env)
        try:
            run.wait(timeout=chance.uniform(0.1, 1) * seconds)
        except subprocess.TimeoutExpired:
            met += 1
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    return met


def finish(laid: Laid, out: Path, model: Path) -> int | None:
    """Runs to the end; returns the peak of its memory in bytes, see `benchmarks.process`."""
    log = out.parent / "log.txt"
    done = process.run(_command(laid, out, model), log=log, env=laid.environment)
    assert log.read_text() == ""
    return done.peak_bytes


def check(laid: Laid, out: Path) -> dict[str, Any]:
    """Holds manifest, rows, `verify` and ledger against what was laid out; returns the counts."""
    manifest = open_run(str(out)).manifest
    failures = {name: count for name, count in laid.outcomes.items() if name != _PICTURE}
    assert dict(manifest.failures_by_reason) == failures
    assert manifest.predictions == laid.outcomes[_PICTURE]
    assert manifest.inputs == sum(laid.outcomes.values())
    assert (manifest.duplicates, manifest.skipped) == (laid.duplicates, laid.skipped)
    command = [sys.executable, "-m", "pipeline"]
    for words in (["verify", str(out), "--sample", "20"], ["export", str(out), "--to", "ledger"]):
        subprocess.run([*command, *words], check=True, env=laid.environment)
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
    with run_cloud() as gs, s3_server.run_s3() as s3:
        # Links lead to the files of the folder.
        stores = Stores(gs, s3)
        return _proved(root.absolute(), count, stores, kills=kills, seconds=seconds, seed=seed)


def _proved(
    root: Path, count: int, stores: Stores, *, kills: int, seconds: float, seed: int
) -> dict[str, Any]:
    laid = lay_out(root / "inputs", count, stores)
    model = root / "stand-in.tflite"
    model.write_bytes(stand_in())
    start = time.perf_counter()
    met = killed(laid, root / "out", model, kills=kills, seconds=seconds, seed=seed)
    peak = finish(laid, root / "out", model)
    labelled = time.perf_counter()
    counts = check(laid, root / "out")
    return {
        **counts,
        "killed_at_work": met,
        "label_seconds": round(labelled - start, 1),
        "check_seconds": round(time.perf_counter() - labelled, 1),
        "last_run_peak_mb": round((peak or 0) / 1e6),
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
