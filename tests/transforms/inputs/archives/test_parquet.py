"""Pictures of a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.archives import (
    HUGGING_FACE,
    A,
    B,
    C,
    members_of,
    metas_of,
    notes_of,
    only_failure,
    write_parquet,
)
from transforms.inputs.archives.members import read_members
from transforms.inputs.archives.parquet import parquet_content
from transforms.records import Failure, ImageRef

PNG = b"\x89PNG\r\n\x1a\n"


def test_parquet_yields_a_picture_a_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pictures = pa.array(
        [{"bytes": A, "path": "a.jpg"}, {"bytes": None, "path": None}], HUGGING_FACE
    )
    write_parquet(path, {"image": pictures, "label": [3, 4], "day": [None, "Mo"]})
    assert members_of(path) == [("0", A), ("1", "empty")]
    assert metas_of(path) == [{"image.path": "a.jpg", "label": 3}]
    write_parquet(path, {"jpg": [A, bytes(2001), B], "n": [1.5, 2.5, float("nan")]}, rows_a_group=2)
    assert members_of(path) == [("0", A), ("1", "too_large_bytes"), ("2", B)]
    assert metas_of(path) == [{"n": 1.5}, {"n": None}]


@pytest.mark.parametrize(
    ("columns", "image_key", "message"),
    [
        ({"n": [1]}, None, "no column of picture bytes; there are: n (int64)"),
        (
            {"a": [A], "b": [B]},
            None,
            "several columns hold bytes, none of which begin as pictures do: a, b; --image-key "
            "chooses one",
        ),
        (
            {"a": [PNG], "b": [B], "c": [PNG]},
            None,
            "several columns hold pictures: a, c; --image-key chooses one",
        ),
        (
            {"a": [A], "n": [1]},
            "n",
            "no column 'n' of picture bytes: it is int64; there are: a (binary), n (int64)",
        ),
        ({"a": [A]}, "b", "no column 'b' of picture bytes; there are: a (binary)"),
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


@pytest.mark.parametrize(
    "type_",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.binary(len(PNG)),
        pa.dictionary(pa.int32(), pa.binary()),
        pa.dictionary(pa.int8(), pa.large_binary()),
        pa.list_(pa.uint8()),
        pa.large_list(pa.uint8()),
        pa.list_(pa.uint8(), len(PNG)),
        pa.list_(pa.int8()),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["image", "x"])
@pytest.mark.parametrize("wrap", ["bare", "struct", "extension", "extension of struct"])
def test_pictures_of_every_type_that_holds_bytes(
    tmp_path: Path, type_: pa.DataType, name: str, wrap: str
) -> None:
    hole = None if not pa.types.is_fixed_size_list(type_) else PNG  # Arrow reads no null there
    column = _column(type_, [PNG, hole, PNG])
    if "struct" in wrap:
        paths = pa.array(["a.png", None, "b.png"])
        column = pa.StructArray.from_arrays([column, paths], ["bytes", "path"])
    if "extension" in wrap:
        column = pa.ExtensionArray.from_storage(_Picture(column.type), column)
    pq.write_table(pa.table({name: column, "n": [1, 2, 3]}), tmp_path / "x.parquet")
    expected = [("0", PNG), ("1", hole or "empty"), ("2", PNG)]
    path = tmp_path / "x.parquet"
    if wrap == "extension" and pa.types.is_dictionary(type_):
        # Arrow 25 gives int8 back as the dictionary, and would end the process over the other.
        assert members_of(path) in (expected, [("", "no_pictures")])
        return
    assert members_of(path) == expected
    assert members_of(path, image_key=name) == expected
    path_meta = {f"{name}.path": "b.png"} if "struct" in wrap else {}
    assert metas_of(path)[-1] == {"n": 3, **path_meta}
    assert notes_of(path) == []


class _Picture(pa.ExtensionType):  # type: ignore[misc]
    """A type that is registered while the tests run, so that readers give it back."""

    def __init__(self, storage: pa.DataType) -> None:
        super().__init__(storage, "tests.picture")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, _: bytes) -> _Picture:
        return cls(storage)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    pa.register_extension_type(_Picture(pa.binary()))
    yield
    pa.unregister_extension_type("tests.picture")


def _column(type_: pa.DataType, values: list[bytes | None]) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.array(values, type_.value_type).dictionary_encode().cast(type_)
    if pa.types.is_nested(type_):
        signed = pa.types.is_int8(type_.value_type)
        return pa.array(
            [value and list(memoryview(value).cast("b" if signed else "B")) for value in values],
            type_,
        )
    return pa.array(values, type_)


def test_a_text_column_is_read_if_it_is_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", {"t": pa.array(["abc", None])})
    assert members_of(tmp_path / "x.parquet", image_key="t") == [("0", b"abc"), ("1", "empty")]


def test_the_only_column_with_pictures_is_taken_and_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, {"phash": [C, C], "scan": [PNG, A]})
    assert members_of(path) == [("0", PNG), ("1", A)]
    assert notes_of(path) == ["pictures in the column 'scan', told by their first bytes"]
    assert members_of(path, image_key="phash") == [("0", C), ("1", C)]
    assert notes_of(path, image_key="phash") == []
    assert parquet_content(str(path), image_key=None) == "pictures"


def test_rows_that_hold_only_a_path_are_read_from_there(tmp_path: Path) -> None:
    """As `datasets` writes pictures that were local files: null bytes, absolute paths."""
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/a.png").write_bytes(A)
    (tmp_path / "in/sub/b.png").write_bytes(B)
    (tmp_path / "c.png").write_bytes(C)
    (tmp_path / "large.png").write_bytes(bytes(2001))
    path = tmp_path / "in/x.parquet"
    paths = [
        *(f"{tmp_path}/in/a.png", "sub/b.png", "../c.png", f"file://{tmp_path}/c.png"),
        *("gone.png", f"{tmp_path}/large.png", "", None, "gopher://h/a.png"),
    ]
    rows: list[dict[str, Any]] = [{"bytes": None, "path": each} for each in paths]
    rows += [{"bytes": A, "path": "gone.png"}]
    write_parquet(path, {"image": pa.array(rows, HUGGING_FACE), "label": range(len(rows))})
    assert members_of(path) == [
        *(("0", A), ("1", B), ("2", C), ("3", C)),
        *(("4", "not_found"), ("5", "too_large_bytes"), ("6", "empty"), ("7", "empty")),
        *(("8", "unsupported_uri"), ("9", A)),
    ]
    items = list(read_members(ImageRef(str(path)), image_key=None, max_bytes=2000))
    assert isinstance(items[4], Failure)
    assert items[4].message == (
        "the row holds no bytes, only a path, gone.png: No such file or directory"
    )
    assert metas_of(path)[1] == {"image.path": "sub/b.png", "label": 1}
    assert parquet_content(str(path), image_key=None) == "pictures"


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
