"""Archives that are what they should be, and archives made to do harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile

import pytest

from pipeline.models.store.archive import unpack
from pipeline.models.store.download import Limits
from tests.helpers.models import TFLITE, archive
from transforms.errors import UserError

LARGE = archive(("m.tflite", "".join(str(i**2) for i in range(50_000)).encode()))
"""An archive of 0.2 MB, compressed for the most part."""


def unpacked(data: bytes, *, member: str | None = None, limits: Limits | None = None) -> bytes:
    return unpack(io.BytesIO(data), what="FILE", limits=limits or Limits(), member=member)[0]


def refused(data: bytes, *, member: str | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(UserError) as caught:
        unpacked(data, member=member, limits=limits)
    return str(caught.value)


def test_tflite() -> None:
    assert unpack(io.BytesIO(TFLITE), what="FILE", limits=Limits()) == (TFLITE, None)


@pytest.mark.parametrize("name", ["m.tflite", "./m.tflite"])
def test_named_member(name: str) -> None:
    data = archive(("./m.ckpt", b"x" * 100_000), (name, TFLITE), ("./n.tflite", b"other"))
    sha256 = hashlib.sha256(data).hexdigest()
    got = unpack(io.BytesIO(data), what="FILE", limits=Limits(), member="m.tflite")
    assert got == (TFLITE, sha256)


def test_only_member() -> None:
    assert unpacked(archive(("info.txt", b"x"), ("a/b/c.tflite", TFLITE))) == TFLITE


def test_archive_without_the_member() -> None:
    assert refused(archive(("./n.tflite", TFLITE)), member="m.tflite") == (
        "FILE: expected an archive with one m.tflite, found none; pass the path of the .tflite "
        "itself"
    )


def test_archive_with_two() -> None:
    message = refused(archive(("a.tflite", TFLITE), ("b.tflite", TFLITE)))
    assert "one file named *.tflite, found 'a.tflite' and 'b.tflite'" in message


@pytest.mark.parametrize(
    "name", ["../m.tflite", "/m.tflite", "a/../m.tflite", "././m.tflite", ".//m.tflite"]
)
def test_a_path_that_leads_elsewhere_is_not_the_member(name: str) -> None:
    assert "found none" in refused(archive((name, TFLITE)), member="m.tflite")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_only_a_regular_file_counts(kind: bytes) -> None:
    entry = tarfile.TarInfo("m.tflite")
    entry.type, entry.linkname = kind, "/etc/passwd"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.addfile(entry)
    assert "found none" in refused(stream.getvalue(), member="m.tflite")


def test_oversized_member() -> None:
    data = archive(("m.tflite", TFLITE))
    at_limit = Limits(max_tflite_bytes=len(TFLITE))
    assert unpacked(data, limits=at_limit) == TFLITE
    below = Limits(max_tflite_bytes=len(TFLITE) - 1)
    assert refused(data, limits=below).startswith("'m.tflite' in FILE has more than 1,007 bytes")
    assert refused(TFLITE, limits=below).startswith("FILE has more than 1,007 bytes")


def test_bomb() -> None:
    data = archive(("zeros", bytes(5_000_000)), ("m.tflite", TFLITE))
    assert len(data) < 20_000
    assert unpacked(data, limits=Limits(max_archive_bytes=6_000_000)) == TFLITE
    message = refused(data, limits=Limits(max_archive_bytes=4_000_000))
    assert message.startswith("FILE unpacks to more than 4,000,000 bytes: no archive of a model")


def test_header_bomb() -> None:
    """The extended header of a name is read into memory whole, whatever its size."""
    entry = tarfile.TarInfo("n" * 5_000_000)
    data = gzip.compress(entry.tobuf(tarfile.GNU_FORMAT))
    message = refused(data, limits=Limits(max_archive_bytes=4_000_000))
    assert message.startswith("FILE unpacks to more than 4,000,000 bytes: no archive of a model")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_endless_headers(kind: bytes) -> None:
    entry = tarfile.TarInfo("name")
    entry.type = kind
    data = gzip.compress(entry.tobuf(tarfile.USTAR_FORMAT) * 5000)
    assert refused(data).startswith("FILE is a damaged archive (maximum recursion depth")


def test_too_many_entries() -> None:
    assert unpacked(archive(*[(f"{i}", b"") for i in range(999)], ("m.tflite", TFLITE))) == TFLITE
    message = refused(archive(*[(f"{i}", b"") for i in range(1000)], ("m.tflite", TFLITE)))
    assert message.startswith("FILE has more than 1,000 entries")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"<!DOCTYPE html><html>", b"PK\3\4" * 9])
def test_neither(data: bytes) -> None:
    found = f"it starts with {data[:16]!r}" if data else "it is empty"
    assert refused(data) == (
        "FILE is not a tflite model (bytes 4 to 8 would be b'TFL3') nor a gzipped tar archive: "
        f"{found}; check where it comes from"
    )


def test_member_that_is_no_tflite() -> None:
    assert "not a tflite model" in refused(archive(("m.tflite", b"version https://git-lfs")))


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b",
        b"\x1f\x8bnonsense that is longer than a header",
        gzip.compress(b"", mtime=0),
        gzip.compress(b"not a tar" * 1000, mtime=0),
        archive(("m.tflite", TFLITE))[:-9],
        archive(("m.tflite", TFLITE))[:10] + b"\xff" * 400,
        LARGE[:9000] + random.Random(0).randbytes(190_000),
        archive(("m.tflite", random.Random(0).randbytes(50_000)))[:20_000],
    ],
    ids=[
        "magic only",
        "no gzip",
        "empty",
        "no tar",
        "no trailer",
        "no deflate",
        "rot inside",
        "half",
    ],
)
def test_damaged_archive(data: bytes) -> None:
    assert refused(data).startswith("FILE is a damaged archive (")


def test_wrong_archive_hash_is_found_before_anything_is_unpacked() -> None:
    data = b"\x1f\x8bnothing that could be unpacked"
    with pytest.raises(UserError) as caught:
        unpack(io.BytesIO(data), what="FILE", limits=Limits(), archive_sha256="ab" * 32)
    found = hashlib.sha256(data).hexdigest()
    assert f"FILE has sha256 {found}, but {'ab' * 32} was published" in str(caught.value)


def test_mutated_archives_are_read_or_refused() -> None:
    """Whatever a header says: the tflite, or an error for the user; never another exception."""
    chance = random.Random(0)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("n" * 200, b"x" * 600), ("m.tflite", TFLITE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.pax_headers = {"GNU.sparse.map": "0,1", "mtime": "1.5"}
            tar.addfile(entry, io.BytesIO(content))
    original = stream.getvalue()
    results = set()
    for _ in range(1500):
        data = bytearray(original)
        block = chance.randrange(0, 7) * 512
        for _ in range(chance.randrange(1, 4)):
            data[block + chance.randrange(512)] = chance.choice(b"\0\x80\xff 0179aLx=\n")
        header = (
            bytes(data[block : block + 148]) + b" " * 8 + bytes(data[block + 156 : block + 512])
        )
        data[block + 148 : block + 156] = b"%06o\0 " % sum(header)
        try:
            unpacked(gzip.compress(bytes(data), 1))
            results.add("read")
        except UserError:
            results.add("refused")
    assert results == {"read", "refused"}
