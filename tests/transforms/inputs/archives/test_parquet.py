"""Pictures of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.helpers.archives import (
    HUGGING_FACE,
    A,
    B,
    C,
    members_of,
    metas_of,
    only_failure,
    write_parquet,
)
from transforms.inputs.archives.members import read_members
from transforms.records import Failure, ImageRef


def test_parquet_yields_a_picture_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pictures = pa.array([{"bytes": A, "path": "a.jpg"}, {"bytes": None, "path": "b"}], HUGGING_FACE)
    write_parquet(path, {"image": pictures, "label": [3, 4], "day": [None, "Mo"]})
    assert members_of(path) == [("0", A), ("1", "empty")]
    assert metas_of(path) == [{"image.path": "a.jpg", "label": 3}]
    write_parquet(path, {"jpg": [A, bytes(2001), B], "n": [1.5, 2.5, float("nan")]}, rows_a_group=2)
    assert members_of(path) == [("0", A), ("1", "too_large_bytes"), ("2", B)]
    assert metas_of(path) == [{"n": 1.5}, {"n": None}]


@pytest.mark.parametrize(
    ("columns", "image_key", "message"),
    [
        ({"n": [1]}, None, "no column of picture bytes; there are: n"),
        ({"a": [A], "b": [B]}, None, "several columns hold bytes: a, b; --image-key chooses one"),
        ({"a": [A], "n": [1]}, "n", "no column 'n' of picture bytes; there are: a, n"),
    ],
)
def test_parquet_without_a_clear_column_is_one_failure(
    tmp_path: Path, columns: dict[str, Any], image_key: str | None, message: str
) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, columns)
    (failure,) = read_members(ImageRef(str(path)), image_key=image_key, max_bytes=2000)
    assert isinstance(failure, Failure)
    assert (failure.uri, failure.reason, failure.message) == (str(path), "no_pictures", message)


def test_damaged_parquet_yields_its_good_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, {"jpg": [A, B, C, A], "n": [1, 2, 3, 4]}, rows_a_group=1)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(B)] ^= 1
    path.write_bytes(flipped)
    assert members_of(path) == [("0", A), ("2", C), ("3", A), ("", "damaged_shard")]
    assert only_failure(path).message.startswith("the file breaks at row 1: ")
    for content in (b"no parquet", b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert members_of(path) == [("", "damaged_shard")]
