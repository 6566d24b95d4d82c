"""Time, memory and bytes of each step of a run, at several sizes, each in a process of its own.

    make scale ARGS="--counts 10000 100000"

One of ten references is a small picture, the others are empty files: what is measured is what grows
with the number of references, and not the decoding of pictures. Rows that are staged, merged and
looked at afterwards are made up: ten thousand different ones again and again under other names.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import process

_A_FOLDER = 1000
_COUNTS = (10_000, 100_000, 1_000_000)
_ROWS = 10_000


class Place:
    """The files of one size.

    Attributes:
        root: folder of all of them.
        count: references.
    """

    def __init__(self, root: Path, count: int) -> None:
        self.root = root
        self.count = count
        self.pictures = root / "pictures"
        self.list = root / "list.txt"
        self.truth = root / "truth.csv"
        self.model = root / "stand-in.tflite"
        self.made_up = root / "made-up"
        self.attempt = self.made_up / "_unfinished-000000000000"
        self.pieces = root / "pieces.json"
        self.merged = root / "merged.json"
        self.labelled = root / "labelled"

    def uris(self) -> Iterator[str]:
        """The references, sorted."""
        for number in range(self.count):
            yield f"{self.pictures}/{number // _A_FOLDER:05d}/IMG_{number:07d}.jpg"


def lay_out(place: Place) -> None:
    """Makes pictures, list, truth and model."""
    from pipeline.models.tflite.stand_in import stand_in
    from tests.helpers.encoded import encoded, waves

    place.root.mkdir(parents=True)
    place.model.write_bytes(stand_in())
    picture = place.root / "picture.jpg"
    picture.write_bytes(encoded(waves(16, 16), "JPEG"))
    synsets = [row.synset for row in _rows(place, count=_ROWS)]
    with place.list.open("w") as lines, place.truth.open("w") as truth:
        truth.write("uri,synset\n")
        for number, uri in enumerate(place.uris()):
            if number % _A_FOLDER == 0:
                Path(uri).parent.mkdir(parents=True)
            if number % 10 == 0:
                os.symlink(picture, uri)
            else:
                os.close(os.open(uri, os.O_CREAT | os.O_WRONLY))
            lines.write(f"{uri}\n")
            truth.write(f"{uri},{synsets[number % _ROWS]}\n")


def _rows(place: Place, *, count: int) -> Iterator[Any]:
    from tests.helpers.finished_runs import plausible

    some = list(plausible(min(count, _ROWS)))
    for number, uri in zip(range(count), place.uris(), strict=False):
        yield some[number % _ROWS]._replace(uri=uri)


# ---- steps: each does its work and returns the bytes that it read, moved or wrote ----------------


def _start(place: Place) -> int:
    """What all others take before they begin."""
    import pipeline.run.graph

    assert pipeline.run.graph.build is not None
    assert place.count
    return 0


def _list(place: Place) -> int:
    from transforms.inputs.listing import list_input

    assert sum(1 for _ in list_input(str(place.list))) == place.count
    return place.list.stat().st_size


def _list_folder(place: Place) -> int:
    from transforms.inputs.listing import list_input

    return sum(len(str(ref[0])) for ref in list_input(str(place.pictures)))


def _spread(place: Place) -> int:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from transforms import bundles
    from transforms.inputs import read_images

    crossed = [0]

    def counted(rows: Any) -> bytes:
        packed = bundles.pack(rows)
        crossed[0] += len(packed)
        return packed

    vars(read_images)["pack"] = counted
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | read_images.ReadImages([str(place.list)])
        _ = read.refs | beam.Map(lambda _: 1) | beam.CombineGlobally(sum)
    return crossed[0]


def _load(place: Place) -> int:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from transforms.images.load_and_preprocess import LoadAndPreprocess
    from transforms.inputs.read_images import ReadImages

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        read = pipeline | ReadImages([str(place.list)])
        loaded = read.refs | LoadAndPreprocess(size=128)
        _ = loaded.images | "Images" >> beam.Map(lambda _: 1) | beam.CombineGlobally(sum)
    return (place.root / "picture.jpg").stat().st_size * place.count // 10


def _stage(place: Place) -> int:
    from transforms.rows.kinds import RowKind
    from transforms.rows.shards import Piece
    from transforms.rows.stage_rows import _Stage

    place.attempt.mkdir(parents=True)
    stage = _Stage(str(place.attempt), RowKind.PREDICTION)
    stage.setup()
    stage.start_bundle()
    found = [piece for row in _rows(place, count=place.count) for piece in stage.process(row)]
    last = [each.value for each in stage.finish_bundle()]
    found += [each for each in last if isinstance(each, Piece)]
    return _keep(place.pieces, found)


def _merge(place: Place) -> int:
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    from transforms.rows.kinds import RowKind
    from transforms.rows.merge_pieces import MergePieces

    merge = MergePieces(
        str(place.attempt), RowKind.PREDICTION, "parquet", _identity(place).schema_metadata
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        pieces = pipeline | beam.Create(_kept(place.pieces))
        merged = pieces | merge | beam.combiners.ToList()
        _ = merged | "Keep" >> beam.Map(lambda found: _keep(place.merged, found))
    return sum(piece.shard.size for piece in _kept(place.merged))


def _finish(place: Place) -> int:
    from pipeline.run.folder import attempts
    from pipeline.run.folder.ledger import FinishRun

    identity = _identity(place)
    attempts.begin(str(place.attempt), identity)
    last = FinishRun(str(place.made_up), str(place.attempt), "parquet", identity, 1.0)
    tally = {"entries": place.count, "inputs": place.count}
    outcomes = {("predictions", 1): place.count}
    shards = _kept(place.merged)
    (_,) = last.process(b"", shards, [], tally, outcomes, {}, {}, [], [])  # type: ignore[arg-type]
    return (place.made_up / "_MANIFEST.json").stat().st_size


def _verify(place: Place) -> int:
    _quantlabel("verify", place.made_up, "--no-inputs", "--sample", "0")
    return _shards(place.made_up)


def _verify_inputs(place: Place) -> int:
    _quantlabel("verify", place.made_up, "--sample", "0")
    return _shards(place.made_up) + place.list.stat().st_size


def _evaluate(place: Place) -> int:
    _quantlabel("evaluate", place.made_up, "--truth", place.truth)
    return _shards(place.made_up) + place.truth.stat().st_size


def _report(place: Place) -> int:
    _quantlabel("report", place.made_up)
    return _shards(place.made_up)


def _label(place: Place) -> int:
    words = ("--input", place.list, "--output", place.labelled, "--model", place.model)
    _quantlabel("label", *words, "--quiet")
    return sum(path.stat().st_size for path in place.labelled.rglob("*") if path.is_file())


_STEPS: Mapping[str, Callable[[Place], int]] = {
    "start": _start,
    "list": _list,
    "list folder": _list_folder,
    "spread": _spread,
    "load": _load,
    "stage": _stage,
    "merge": _merge,
    "finish": _finish,
    "verify": _verify,
    "verify inputs": _verify_inputs,
    "evaluate": _evaluate,
    "report": _report,
    "label": _label,
}


def _quantlabel(*words: object) -> None:
    from pipeline.cli import main

    assert main([str(word) for word in words]) == 0


def _shards(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("predictions-*"))


def _identity(place: Place) -> Any:
    import dataclasses

    from pipeline.run.folder.manifest import Identity
    from tests.helpers.finished_runs import made_up_manifest

    made_up = made_up_manifest(options={"inputs": [str(place.list)]})
    names = [field.name for field in dataclasses.fields(Identity)]
    return Identity(**{name: getattr(made_up, name) for name in names})


def _keep(path: Path, pieces: Sequence[Any]) -> int:
    path.write_text(json.dumps([[piece.folder, piece.shard] for piece in pieces]))
    return sum(piece.shard.size for piece in pieces)


def _kept(path: Path) -> list[Any]:
    from transforms.rows.shards import Piece, Shard

    return [Piece(folder, Shard(*shard)) for folder, shard in json.loads(path.read_text())]


# ---- measuring -----------------------------------------------------------------------------------


def measure(root: Path, count: int, steps: Sequence[str]) -> Iterator[str]:
    """Runs the steps one after the other; yields a line each.

    Args:
        root: where the files go; they are deleted in the end.
        count: references.
        steps: names of those that are wanted.
    """
    place = Place(root / str(count), count)
    shutil.rmtree(place.root, ignore_errors=True)
    lay_out(place)
    for step in steps:
        words = ["--folder", str(root), "--counts", str(count), "--only", step]
        log = root / "log.txt"
        command = [sys.executable, "-m", "tests.helpers.scale", *words]
        done = process.run(command, log=log, env={})
        moved = int(log.read_text().splitlines()[-1])
        peak = (done.peak_bytes or 0) / 1e6
        yield (
            f"{step:14} {count:>10,} {done.seconds:9.1f} s {done.cpu_seconds:9.1f} s "
            f"{peak:7.0f} MB {moved / 1e6:10.2f} MB {moved / count:9.1f} bytes each"
        )
    shutil.rmtree(place.root)


def main() -> None:
    """Measures, or does one step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("scale-output"))
    parser.add_argument("--counts", type=int, nargs="+", default=_COUNTS)
    parser.add_argument("--steps", nargs="+", choices=_STEPS, default=list(_STEPS))
    parser.add_argument("--only", choices=_STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = given.folder.absolute()
    if given.only:
        print(_STEPS[given.only](Place(folder / str(given.counts[0]), given.counts[0])))
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'step':14} {'references':>10} {'wall':>11} {'processor':>11} {'peak':>10}")
    for count in given.counts:
        start = time.perf_counter()
        for line in measure(folder, count, given.steps):
            print(line, flush=True)
        print(f"{'':14} {count:>10,} took {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
