"""Pictures of a TFRecord."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.archives import (
    A,
    B,
    C,
    members_of,
    metas_of,
    notes_of,
    only_failure,
    write_tfrecord,
)


@pytest.mark.parametrize("zipped", [False, True])
def test_tfrecord_yields_a_picture_a_record(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("x.tfrecord.gz" if zipped else "x.tfrecord")
    rows: list[dict[str, Any]] = [
        {
            "image/encoded": A,
            "image/filename": b"a.jpg",
            "image/class/label": 7,
            "image/object/bbox/xmin": [0.5, 0.25],
            "image/mask": b"\x89PNG\xff",
        },
        {"image/encoded": B, "other": C},
    ]
    write_tfrecord(path, rows, zipped=zipped)
    assert members_of(path) == [("0", A), ("1", B)]
    assert metas_of(path) == [
        {"image/class/label": 7, "image/filename": "a.jpg", "image/object/bbox/xmin": [0.5, 0.25]},
        {"other": "ccccc"},
    ]
    assert members_of(path, image_key="other") == [("0", "no_pictures"), ("1", C)]


def test_tfrecord_names_what_there_is_instead(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(path, [{"jpeg": A, "image/encoded": [C, C]}])
    failure = only_failure(path)
    assert failure.uri == f"{path}#0"
    assert failure.message == (
        "2 values of bytes in the feature 'image/encoded', expected one; --image-key names another."
        " There are: image/encoded, jpeg"
    )


def test_a_damaged_tfrecord_goes_on_where_it_can(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(
        path, [{"image/encoded": A}, {"image/encoded": bytes(2001)}, {"image/encoded": B}]
    )
    whole = path.read_bytes()
    second = 16 + int.from_bytes(whole[:8], "little")
    third = second + 16 + int.from_bytes(whole[second : second + 8], "little")
    large = ("1", "too_large_bytes")
    for position, expected in (
        (30, [("0", "damaged_shard"), large, ("2", B)]),
        (second, [("0", A), ("", "damaged_shard")]),
        (third + 9, [("0", A), large, ("", "damaged_shard")]),
    ):
        flipped = bytearray(whole)
        flipped[position] ^= 4
        path.write_bytes(flipped)
        assert members_of(path) == expected
    for cut, good in (
        (second + 5, [("0", A)]),
        (third - 1, [("0", A)]),
        (third, [("0", A), large]),
    ):
        path.write_bytes(whole[:cut])
        assert members_of(path) == good + ([("", "damaged_shard")] if cut != third else [])
    path.write_bytes(whole[: second + 5])
    assert only_failure(path).message == f"the file ends within the record at byte {second}"


PNG = b"\x89PNG\r\n\x1a\n"


def test_the_only_feature_with_pictures_is_taken_and_named(tmp_path: Path) -> None:
    """As tensorflow-datasets writes them: `image`, `label`, `file_name`."""
    path = tmp_path / "x.tfrecord"
    rows = [{"image": b"", "label": 1}, {"image": PNG, "label": 2, "file_name": b"a.png"}]
    write_tfrecord(path, [*rows, {"image": A, "label": 3}, {"label": 4, "thumb": PNG}])
    assert members_of(path) == [("0", "no_pictures"), ("1", PNG), ("2", A), ("3", "no_pictures")]
    assert notes_of(path) == ["pictures in the feature 'image', told by their first bytes"]
    assert metas_of(path)[0] == {"file_name": "a.png", "label": 2}
    assert notes_of(path, image_key="image") == []


def test_two_features_with_pictures_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(path, [{"image": PNG, "mask": PNG, "t": b"x"}] * 3)
    assert only_failure(path).message == (
        "several features hold pictures: image, mask; --image-key chooses one"
    )
    assert members_of(path, image_key="mask") == [("0", PNG), ("1", PNG), ("2", PNG)]


def test_the_usual_feature_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.tfrecord"
    write_tfrecord(path, [{"image/encoded": A, "thumb": PNG}])
    assert members_of(path) == [("0", A)]
    assert notes_of(path) == []
