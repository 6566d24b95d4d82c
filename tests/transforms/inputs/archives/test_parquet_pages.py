from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.archives import members_of
from transforms.failures import Reason
from transforms.inputs.archives.parquet import open_parquet
from transforms.inputs.archives.parquet_pages import CheckedPages

PICTURES = [bytes([number]) * 900 for number in range(200)]


def _written(**options: object) -> bytes:
    file = io.BytesIO()
    table = pa.table({"image": PICTURES, "n": list(range(200)), "same": ["x" * 50] * 200})
    pq.write_table(table, file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False, "data_page_size": 1000},
        {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 30},
        {"compression": "gzip", "write_page_index": True, "write_page_checksum": True},
        {"write_statistics": ["image"], "dictionary_pagesize_limit": 100},
    ],
)
def test_whole_files_are_read_as_they_are(options: dict[str, object]) -> None:
    parquet = open_parquet(io.BytesIO(_written(**options)))
    found = [
        row
        for group in range(parquet.num_row_groups)
        for batch in parquet.batches(group, ["image", "n", "same"], rows=7)
        for row in batch.to_pylist()
    ]
    assert [row["image"] for row in found] == PICTURES
    assert [row["n"] for row in found] == list(range(200))


def _claiming(size: bytes, *, at: int) -> bytes:
    """A file whose first page claims another size; `at`: 0 for that in memory, 1 for as stored."""
    data = _written(compression="none", use_dictionary=False, write_statistics=False)
    # Field 1 (the kind of the page, 0), then fields 2 and 3: a byte each, and three of a number.
    assert (data[4:7], data[10:11]) == (b"\x15\0\x15", b"\x15")
    start = 7 + 4 * at
    return data[:start] + size + data[start + 3 :]


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize(
    "size", [b"\xfe\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x04", b"\x01"], ids=["2G", "512M", "-1"]
)
def test_no_page_gets_more_memory_than_its_column_has(size: bytes, at: int, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(_claiming(size, at=at))
    before = pa.default_memory_pool().max_memory()
    assert members_of(tmp_path / "a.parquet")[-1] == ("", Reason.DAMAGED_ARCHIVE)
    assert pa.default_memory_pool().max_memory() < before + 200_000_000


def test_a_header_may_come_in_pieces() -> None:
    """As it does where a part of a file ends within one."""
    data = _written(compression="none", use_dictionary=False, data_page_size=1000)
    group = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0)
    start, length = group.column(0).data_page_offset, group.column(0).total_compressed_size
    for size in (1, 7, 1000, length):
        pages = CheckedPages(io.BytesIO(data))
        pages.watch()
        pages.seek(start)
        found = b""
        while len(found) < length:
            found += pages.read(min(size, length - len(found)))
        assert found == data[start : start + length]


def test_what_is_no_header_is_left_to_arrow() -> None:
    data = bytearray(_written(compression="none", use_dictionary=False))
    data[4] = 0x1E  # a field of a type that there is not
    pages = CheckedPages(io.BytesIO(bytes(data)))
    pages.watch()
    pages.seek(4)
    assert pages.read(1000) == data[4:1004]


# Fields 1 to 3: the kind of the page, and 2 GB for its size in memory and as stored.
_HUGE = b"\x15\x00" + 2 * b"\x15\xfe\xff\xff\xff\x0f"


@pytest.mark.parametrize(
    "more",
    [
        b"\x1a\x28\x01a\x01b",  # a set of two texts
        b"\x19\xf5\x02\x02\x04",  # a list of two numbers, its length behind it
        b"\x1b\x01\x85\x01a\x02",  # a map of one text
        b"\x1b\x00",  # an empty one
        b"\x19\x1c\x15\x02\x00",  # a list of one struct
        b"\x19\x21\x01\x02",  # a list of two truths
        b"\x17" + bytes(8) + b"\x13\x07\x11",  # a fraction, a byte, a truth
        b"\x1c\x15\x02\x10\x15\x02",  # a struct whose end has a number, and what follows it
        b"\x1d" + bytes(16),  # 128 bits
        b"\x26\x00\x06\x06\x00",  # field 3 again, as another type
        b"\x06\x86\x80\x08\x00",  # and with the number 65,539, of which Arrow keeps 3
    ],
)
def test_parts_that_no_header_has_hide_no_size(more: bytes) -> None:
    """As Arrow passes over them."""
    pages = CheckedPages(io.BytesIO(_HUGE + more + bytes(1000)))
    pages.watch()
    pages.seek(0)
    with pytest.raises(ValueError, match="a page claims 2147483647 bytes"):
        pages.read()


def test_a_header_has_an_end() -> None:
    pages = CheckedPages(io.BytesIO(b"\x19\xf5\xff\xff\x7f" + bytes(1_000_000)))
    pages.watch()
    pages.seek(0)
    with pytest.raises(ValueError, match="a page header with too many values"):
        pages.read()
