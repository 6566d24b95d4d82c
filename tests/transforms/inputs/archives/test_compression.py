"""Compressed archives: whichever codec, whatever their names, other tools' writers."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import mmap
import sys
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.helpers.archives import A, B, members_of, only_failure, write_tar, write_tfrecord
from transforms.failures import ImageError, Reason
from transforms.inputs.archives import compression
from transforms.inputs.archives.compression import ArchiveStream, codec_of, is_tar
from transforms.inputs.archives.members import read_members
from transforms.records import ImageRef


def _zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": _zstd,
}
every_codec = pytest.mark.parametrize("codec", PACK)


def test_what_precedes_a_break_is_handed_out_before_it() -> None:
    zipped = gzip.compress(b"abcdef" * 10, mtime=0)
    stream = ArchiveStream(io.BytesIO(zipped[:-3]), codec="gzip")
    assert stream.read(6) == b"abcdef"
    assert stream.read(100) == b"abcdef" * 9
    assert stream.position == 60
    with pytest.raises(ImageError, match="the compressed data are damaged") as raised:
        stream.read(1)
    assert raised.value.reason is Reason.DAMAGED_ARCHIVE


def test_the_end_is_no_break() -> None:
    stream = ArchiveStream(io.BytesIO(b"abc"), codec=None)
    assert (stream.read(2), stream.read(9), stream.read(9)) == (b"ab", b"c", b"")


@every_codec
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_streams_are_unpacked_one_after_the_other(codec: str, size: int) -> None:
    whole = bytes(range(256)) * 30
    packed = PACK[codec](whole[:1000]) + PACK[codec](b"") + PACK[codec](whole[1000:])
    assert codec_of(packed) == codec
    stream = ArchiveStream(io.BytesIO(packed), codec=codec)
    found = b""
    while part := stream.read(size):
        found += part
    assert found == whole


def _drain(stream: ArchiveStream, size: int = 1000) -> None:
    while stream.read(size):
        pass


@every_codec
def test_data_that_end_or_are_damaged_are_a_break(codec: str) -> None:
    packed = PACK[codec](bytes(range(256)) * 30)
    for broken in (packed[:-2], packed[:20] + bytes(20), packed + b"junk" * 10):
        stream = ArchiveStream(io.BytesIO(broken), codec=codec)
        with pytest.raises(ImageError) as raised:
            _drain(stream)
        assert raised.value.reason is Reason.DAMAGED_ARCHIVE
        assert "the compressed data are damaged: " in raised.value.message


@every_codec
def test_an_error_of_the_storage_stays_one(codec: str) -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise ConnectionError(5, "gone")

    stream = ArchiveStream(Failing(), codec=codec)
    with pytest.raises(ImageError, match="gone") as raised:
        stream.read(1)
    assert raised.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize("codec", ["bzip2", "xz", "zstd"])
def test_what_unpacks_to_far_more_than_it_is_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    monkeypatch.setattr(compression, "_MODEST", 1_000_000)
    path = tmp_path / "a.tar"
    path.write_bytes(PACK[codec](bytes(2_000_000)) * 5)
    failure = only_failure(path)
    assert failure.reason == Reason.DAMAGED_ARCHIVE
    assert failure.message.endswith(": it unpacks to more than 1,100 times its size")


def test_deflate_cannot_unpack_to_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_MODEST", 1_000_000)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000), mtime=0))
    assert only_failure(path).reason == Reason.NO_PICTURES


def test_xz_that_asks_for_more_memory_than_it_may_have_is_refused() -> None:
    packed = bytearray(lzma.compress(b"a" * 100, check=lzma.CHECK_NONE))
    assert packed[14] == 0x21  # the filter LZMA2; then come its size and its dictionary
    packed[16] = 37  # 1.5 GB
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    stream = ArchiveStream(io.BytesIO(bytes(packed)), codec="xz")
    with pytest.raises(ImageError, match="Memory usage limit"):
        stream.read(1)


EXTENSIONS = [
    *(".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz"),
    *(".tar.zst", ".tar.zstd", ".tzst", ".TAR.BZ2", ".zip"),
]


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("codec", [None, *PACK])
def test_content_tells_the_codec_whatever_the_name(
    tmp_path: Path, extension: str, codec: str | None
) -> None:
    write_tar(tmp_path / "whole", [("a.jpg", A), ("a.cls", b"3"), ("b.jpg", B)])
    whole = (tmp_path / "whole").read_bytes()
    path = tmp_path / f"x{extension}"
    path.write_bytes(PACK[codec](whole) if codec else whole)
    assert members_of(path) == [("a.jpg", A), ("b.jpg", B)]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x04\x22\x4d\x18\x64", "lz4"),
        (b"LZIP\x01\x0c", "lzip"),
        (b"\x1f\x9d\x90", "compress"),
        (b"\x5d\0\0\x80\0\xff", "LZMA"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip"),
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (zlib.compress(bytes(99)), "zlib"),
    ],
    ids=("lz4", "lzip", "compress", "lzma", "7z", "rar", "zlib"),
)
@pytest.mark.parametrize("extension", [".tar", ".tar.gz", ".zip", ".tfrecord"])
def test_what_is_packed_in_a_way_that_is_not_read_is_named(
    tmp_path: Path, extension: str, head: bytes, name: str
) -> None:
    path = tmp_path / f"x{extension}"
    path.write_bytes(head + bytes(700))
    failure = only_failure(path)
    assert failure.reason == "unsupported_format"
    assert failure.message.startswith(f"packed by {name}, which is not read")


@every_codec
def test_a_tar_that_is_cut_yields_what_was_before(tmp_path: Path, codec: str) -> None:
    write_tar(tmp_path / "whole", [("a.jpg", A), ("b.jpg", B)])
    packed = PACK[codec]((tmp_path / "whole").read_bytes())
    (tmp_path / "x.tar").write_bytes(packed[:-4])
    assert members_of(tmp_path / "x.tar")[-1] == ("", "damaged_shard")
    assert "the compressed data are damaged" in only_failure(tmp_path / "x.tar").message


def test_a_name_that_looks_like_a_codec_is_a_name(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", [("BZh91AY&SY.jpg", A)])
    assert is_tar((tmp_path / "x.tar").read_bytes())
    assert members_of(tmp_path / "x.tar") == [("BZh91AY&SY.jpg", A)]


@pytest.mark.parametrize("name", ["x.tfrecord", "x.tfrecord.gz"])
@pytest.mark.parametrize("zipped", [False, True])
def test_records_are_unpacked_whatever_their_name(tmp_path: Path, name: str, zipped: bool) -> None:
    write_tfrecord(tmp_path / name, [{"image/encoded": A}], zipped=zipped)
    assert members_of(tmp_path / name) == [("0", A)]


def test_a_length_that_looks_like_gzip_is_a_length(tmp_path: Path) -> None:
    size = int.from_bytes(b"\x1f\x8b\x08", "little")
    empty = tmp_path / "y.tfrecord"
    write_tfrecord(empty, [{"image/encoded": A, "pad": b""}])
    overhead = int.from_bytes(empty.read_bytes()[:8], "little") + 7  # larger lengths take more
    for pad in range(size - overhead - 8, size - overhead + 8):
        write_tfrecord(tmp_path / "x.tfrecord", [{"image/encoded": A, "pad": bytes(pad)}])
        if (tmp_path / "x.tfrecord").read_bytes()[:3] == b"\x1f\x8b\x08":
            break
    else:
        pytest.fail("no padding gives this length")
    ref = ImageRef(str(tmp_path / "x.tfrecord"))
    (found,) = read_members(ref, image_key=None, max_bytes=1_000_000)
    assert getattr(found, "data", None) == A


def _resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE >> 20


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_damaged_data_leave_no_memory_behind() -> None:
    """Arrow's, that of zstd; the rest is Python's own."""
    packed = _zstd(bytes(range(256)) * 4096)
    cut = packed[: 9 * len(packed) // 10]
    resident: list[int] = []
    for _ in range(2):
        for _ in range(100 + 300 * len(resident)):
            with pytest.raises(ImageError):
                _drain(ArchiveStream(io.BytesIO(cut), codec="zstd"), 1 << 20)
        resident.append(_resident_mb())
    assert resident[1] < resident[0] + 75


@every_codec
def test_a_break_leaves_nothing_to_the_garbage_collector(codec: str) -> None:
    """Which comes late, and a stream holds megabytes."""
    packed = PACK[codec](bytes(range(256)) * 30)
    stream = ArchiveStream(io.BytesIO(packed[:-9]), codec=codec)
    with pytest.raises(ImageError):
        _drain(stream)
    gone = weakref.ref(stream)
    del stream
    assert gone() is None
