"""The same pictures and options give the same rows, bit for bit and in the same order."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import transforms.images.loader_pool
import transforms.network.ranking
import transforms.rows.stage_rows
from pipeline.cli import main
from pipeline.models.load import load_network
from tests.helpers.pictures import make_pictures
from tests.helpers.runs import start_label, wait_for_pieces
from transforms.network.litert import LiteRtModel

Patch = Callable[[pytest.MonkeyPatch], None]

TWO_PROCESSES = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]
FIVE_PROCESSES = ["--direct_num_workers=5", "--direct_running_mode=multi_processing"]


def _batches_of(size: int) -> Patch:
    return lambda patch: patch.setattr(transforms.network.ranking, "BATCH_SIZE", size)


def _threads(count: int) -> Patch:
    return lambda patch: patch.setattr(transforms.images.loader_pool, "cores", lambda: count)


def _parts_of(rows: int) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transforms.rows.stage_rows, "_ROWS_AS_OBJECTS", 8)
        monkeypatch.setattr(transforms.rows.stage_rows, "ROWS_PER_GROUP", rows)

    return patch


CONFIGURATIONS: dict[str, tuple[list[str], Patch]] = {
    "two processes": (TWO_PROCESSES, lambda _: None),
    "five processes": (FIVE_PROCESSES, lambda _: None),
    "batches of 7": ([], _batches_of(7)),
    "one by one, one thread": ([], lambda p: (_batches_of(1)(p), _threads(1)(p))[0]),
    "eight threads": ([], _threads(8)),
    "small parts": ([], _parts_of(16)),
}


def _label(inputs: Path, out: Path, model: Path, *words: str) -> tuple[pa.Table, bytes]:
    arguments = ["--quiet", "--input", str(inputs), "--output", str(out), "--model", str(model)]
    assert main(["label", *arguments, *words]) == 0
    (shard,) = out.glob("predictions-*")
    (failures,) = out.glob("__failures/failures-*")
    table = pq.read_table(shard).replace_schema_metadata(None).combine_chunks()
    return table, failures.read_bytes()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 500 pictures, five of them empty, in no order."""
    folder = tmp_path_factory.mktemp("determinism") / "photos"
    make_pictures(folder, count=495)
    names = [path.name for path in folder.iterdir()]
    for number in range(5):
        (folder / f"empty{number}.jpg").write_bytes(b"")
        names.append(f"empty{number}.jpg")
    random.Random(0).shuffle(names)
    (folder / "list.txt").write_text("\n".join(names), "utf-8")
    return folder / "list.txt"


@pytest.fixture(scope="module")
def expected(
    pictures: Path, stand_in_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[pa.Table, bytes]:
    return _label(pictures, tmp_path_factory.mktemp("plain") / "out", stand_in_file)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_rows_do_not_depend_on_how_the_work_was_cut(
    name: str,
    pictures: Path,
    expected: tuple[pa.Table, bytes],
    stand_in_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words, patch = CONFIGURATIONS[name]
    patch(monkeypatch)
    table, failures = _label(pictures, tmp_path / "out", stand_in_file, *words)
    assert table.num_rows == 495
    assert table.column("uri").to_pylist() == sorted(table.column("uri").to_pylist())
    assert table.equals(expected[0])
    assert failures == expected[1]


@pytest.mark.slow
def test_a_folder_in_its_own_order_gives_the_same_shard(
    pictures: Path, expected: tuple[pa.Table, bytes], stand_in_file: Path, tmp_path: Path
) -> None:
    table, failures = _label(pictures.parent, tmp_path / "out", stand_in_file)
    assert table.equals(expected[0])
    assert failures == expected[1]


@pytest.mark.slow
def test_a_killed_and_resumed_run_gives_the_same_shard(
    pictures: Path, expected: tuple[pa.Table, bytes], stand_in_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_label(pictures, out, stand_in_file, saved_every=0.02)
    wait_for_pieces(process, out)
    process.kill()
    process.wait()
    table, failures = _label(pictures, out, stand_in_file, "--resume")
    assert table.equals(expected[0])
    assert failures == expected[1]


def test_what_an_earlier_batch_left_in_the_tensor_changes_nothing(stand_in_file: Path) -> None:
    model = LiteRtModel(load_network(str(stand_in_file)).content)
    pixels = list(np.random.RandomState(0).randint(0, 256, (64, 128, 128, 3), np.uint8))
    logits, features = model.run(pixels)
    for rows in (1, 3, 63):
        some = model.run(pixels[:rows][::-1])
        np.testing.assert_array_equal(some[0], logits[:rows][::-1])
        np.testing.assert_array_equal(some[1], features[:rows][::-1])
