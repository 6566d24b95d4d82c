"""Pictures of zip archives, by writers and with damage that are not ours."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.emulator import Cloud
from tests.helpers.archives import A, B, C, members_of, metas_of, only_failure, write_zip
from transforms.inputs.archives import zip as zips
from transforms.inputs.archives.members import Member, read_members
from transforms.records import Failure, ImageRef


def test_a_zip_yields_pictures_with_their_siblings(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"d/": b"", "d/a.jpg": A, "d/a.json": b'{"n": 1}', "b.PNG": B, "n.md": b"x"})
    assert members_of(path) == [("d/a.jpg", A), ("b.PNG", B), "n.md"]
    assert metas_of(path) == [{"json": {"n": 1}}, None]
    path.rename(tmp_path / "x.tar")  # people do
    assert members_of(tmp_path / "x.tar") == [("d/a.jpg", A), ("b.PNG", B), "n.md"]


def test_members_that_cannot_be_read_are_rows_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    link = zipfile.ZipInfo("l.jpg")
    link.external_attr = 0o120777 << 16
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a.jpg", A)
        archive.writestr("a.jpg", B)
        archive.writestr(link, b"a.jpg")
        archive.writestr("z.jpg", A, zipfile.ZIP_LZMA)
        archive.writestr("y.jpg", A, zipfile.ZIP_BZIP2)
        archive.writestr("inner.tar", A)
        archive.writestr("inner.zip", A)
        archive.writestr("big.jpg", bytes(2001), zipfile.ZIP_DEFLATED)
        archive.writestr("__MACOSX/._a.jpg", b"x")
        archive.writestr("none.jpg", b"")
        archive.writestr("c.jpg", C)
    found = members_of(path)
    twice = next(name for name, _ in (each for each in found if "@" in each[0]))
    assert found == [
        *(("a.jpg", A), (twice, "name_taken"), ("l.jpg", "not_a_file")),
        *(("z.jpg", "unsupported_format"), ("y.jpg", "unsupported_format")),
        *(("inner.tar", "unsupported_format"), ("inner.zip", "unsupported_format")),
        ("big.jpg", "too_large_bytes"),
        "__MACOSX/._a.jpg",
        *(("none.jpg", b""), ("c.jpg", C)),
    ]
    messages = [
        item.message
        for item in read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
        if isinstance(item, Failure) and item.reason == "unsupported_format"
    ]
    assert messages[:3] == [
        "compressed by LZMA, which is not read; pack it with deflate",
        "compressed by bzip2, which is not read; pack it with deflate",
        "an archive within an archive is not read",
    ]


def _patched(content: bytes, change: Callable[[bytearray, int, int], None]) -> bytes:
    """With `change` made to the archive; it is told where the two headers of b.jpg are."""
    changed = bytearray(content)
    local = content.index(b"b.jpg") - 30
    central = content.rindex(b"b.jpg") - 46
    change(changed, local, central)
    return bytes(changed)


def _encrypt(content: bytearray, local: int, central: int) -> None:
    content[local + 6] |= 1
    content[central + 8] |= 1


def _flip(content: bytearray, local: int, _: int) -> None:
    content[local + 40] ^= 1


def _shrink(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<I", content, central + 24, 10)


def _grow(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<I", content, central + 24, 1900)


def _overlap(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<I", content, central + 42, 0)  # the header of a.jpg


def _far(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<I", content, central + 42, 0x7FFFFFFF)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_encrypt, "unsupported_format"),
        (_flip, "damaged_shard"),
        (_shrink, "damaged_shard"),
        (_grow, "damaged_shard"),
        (_far, "damaged_shard"),
    ],
)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bad_member_costs_itself(
    tmp_path: Path, change: Callable[[bytearray, int, int], None], reason: str, method: int
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in {"a.jpg": A, "b.jpg": B, "c.jpg": C}.items():
            archive.writestr(name, content)
    path.write_bytes(_patched(path.read_bytes(), change))
    assert sorted(members_of(path)) == [("a.jpg", A), ("b.jpg", reason), ("c.jpg", C)]


def _claims_utf8(content: bytearray, local: int, central: int) -> None:
    content[central + 46] = content[local + 30] = 0xFF
    content[central + 9] |= 0x08
    content[local + 7] |= 0x08


def _of_the_future(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<H", content, central + 6, 99)


def _field_without_end(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<HH", content, central + 46 + len("b.jpg"), 0x9999, 500)


def _short_of_zip64(content: bytearray, _: int, central: int) -> None:
    struct.pack_into("<I", content, central + 42, 0xFFFFFFFF)
    struct.pack_into("<HH", content, central + 46 + len("b.jpg"), 1, 4)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_claims_utf8, [("a.jpg", A), ("\u00a0.jpg", "damaged_shard"), ("c.jpg", C)]),
        (_of_the_future, [("a.jpg", A), ("b.jpg", B), ("c.jpg", C)]),
        (_field_without_end, [("a.jpg", A), ("b.jpg", B), ("c.jpg", C)]),
        (_short_of_zip64, [("a.jpg", A), ("c.jpg", C), ("b.jpg", "damaged_shard")]),
    ],
)
def test_a_bad_entry_of_the_directory_costs_itself(
    tmp_path: Path,
    change: Callable[[bytearray, int, int], None],
    found: list[tuple[str, bytes | str]],
) -> None:
    """`zipfile` refuses the whole archive for each."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"a.jpg": A, "b.jpg": B, "c.jpg": C}.items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<HH4x", 0x9999, 4)
            archive.writestr(info, content)
    changed = _patched(path.read_bytes(), change)
    path.write_bytes(changed)
    with pytest.raises((zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError)):
        zipfile.ZipFile(path)
    assert members_of(path) == found


def test_names_may_be_empty_and_places_in_front_of_the_file(tmp_path: Path) -> None:
    """`zipfile` raises IndexError for one, and the system an error of its own for the other."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"a.jpg": A, "b.jpg": B}.items():
            archive.writestr(name, content)
    whole = bytearray(path.read_bytes())
    central = whole.rindex(b"b.jpg") - 46
    nameless = whole[:central] + whole[central:].replace(b"b.jpg", b"")
    struct.pack_into("<H", nameless, central + 28, 0)
    size, start = struct.unpack_from("<II", nameless, len(nameless) - 10)
    struct.pack_into("<II", nameless, len(nameless) - 10, size - 5, start)
    path.write_bytes(nameless)
    assert members_of(path) == [("a.jpg", A), ""]
    shifted = bytearray(whole)
    struct.pack_into("<I", shifted, len(shifted) - 10, size + 99)
    path.write_bytes(shifted)
    assert members_of(path) == [("", "damaged_shard")]


def test_members_that_share_their_bytes_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"a.jpg": A, "b.jpg": B})
    path.write_bytes(_patched(path.read_bytes(), _overlap))
    reasons = {reason for _, reason in members_of(path)}
    assert reasons == {"damaged_shard"}  # neither the one nor, by its name in the file, the other


def test_a_member_within_the_bytes_of_another_is_read_once(tmp_path: Path) -> None:
    """As in archives that unpack to far more than they hold: each member is all that follow."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("c.jpg", C)
        (within,) = archive.infolist()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("b.jpg", inner.getvalue()[: 30 + len("c.jpg") + len(C)])
        within.header_offset = 30 + len("b.jpg")
        archive.filelist.append(within)
        archive.NameToInfo["c.jpg"] = within
    assert members_of(tmp_path / "x.zip") == [("b.jpg", "damaged_shard"), ("c.jpg", C)]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40), b"PK\x05\x06"])
def test_what_is_no_zip_is_one_failure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    assert members_of(tmp_path / "x.zip") == [("", "damaged_shard")]


def test_a_zip_in_a_bucket(cloud: Cloud, tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"a.jpg": A, "b.jpg": B})
    ref = ImageRef(cloud.put("x.zip", (tmp_path / "x.zip").read_bytes()))
    found = list(read_members(ref, image_key=None, max_bytes=2000))
    assert [each.data for each in found if isinstance(each, Member)] == [A, B]
    assert [each.ref.uri for each in found if isinstance(each, Member)] == [
        "gs://bkt/x.zip#a.jpg",
        "gs://bkt/x.zip#b.jpg",
    ]


def test_an_empty_zip_holds_no_picture(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {})
    assert only_failure(tmp_path / "x.zip").reason == "no_pictures"


def test_what_was_cut_has_no_directory(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.zip", {"a.jpg": A})
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content[:-10])
    assert only_failure(tmp_path / "x.zip").reason == "damaged_shard"


def test_zip64_and_data_before_the_archive_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("a.jpg", "w", force_zip64=True) as member:
            member.write(A)
        archive.writestr("b.jpg", B)
    assert members_of(path) == [("a.jpg", A), ("b.jpg", B)]
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())  # one that unpacks itself
    assert members_of(path) == [("a.jpg", A), ("b.jpg", B)]


def test_names_are_utf8_whether_or_not_the_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"caf\u00e9.jpg": A})
    content = bytearray(path.read_bytes())
    name = "caf\u00e9.jpg".encode()
    content[content.index(name) - 30 + 7] &= ~0x08
    content[content.rindex(name) - 46 + 9] &= ~0x08
    (tmp_path / "y.zip").write_bytes(content)
    assert members_of(path) == members_of(tmp_path / "y.zip") == [("caf\u00e9.jpg", A)]
    old = bytes(content).replace(name, b"caf\x82.jpg ")  # as DOS has it
    (tmp_path / "z.zip").write_bytes(old)
    assert members_of(tmp_path / "z.zip")[0] in ["caf\u00e9.jpg ", ("caf\u00e9.jpg ", A)]


def test_a_directory_over_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(tmp_path / "x.zip", {f"{n}.jpg": C for n in range(20)})
    monkeypatch.setattr(zips, "_MAX_DIRECTORY", 1000)
    failure = only_failure(tmp_path / "x.zip")
    assert failure.reason == "unsupported_format"
    assert failure.message.endswith("bytes, the limit is 1000; split it")


def test_the_last_piece_of_a_split_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"a.jpg": A, "b.jpg": B})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 34] = 1  # the piece that a member is in: 4.3.12
    path.write_bytes(content)
    failure = only_failure(path)
    assert failure.reason == "unsupported_format"
    assert failure.message.startswith("a piece of a split archive: join the pieces first")


def test_what_it_unpacks_to_is_bounded(tmp_path: Path) -> None:
    """A member that holds more than it says is not unpacked beyond that."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.jpg", bytes(50_000_000))
    (tmp_path / "x.zip").write_bytes(_patched(buffer.getvalue(), _grow))
    found: Any = members_of(tmp_path / "x.zip")
    assert found == [("b.jpg", "damaged_shard")]


def test_a_zip_that_has_lost_its_first_bytes_keeps_the_other_members(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write_zip(path, {"a.jpg": A, "b.jpg": B, "c.jpg": C})
    content = path.read_bytes()
    path.write_bytes(content[10:])
    assert members_of(path) == [("a.jpg", "damaged_shard"), ("b.jpg", B), ("c.jpg", C)]
    at = content.index(b"PK\1\2") + 42  # the offset of the first member, in the directory
    path.write_bytes(content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :])
    assert members_of(path) == [("b.jpg", B), ("c.jpg", C), ("a.jpg", "damaged_shard")]
