from __future__ import annotations

import pytest

from transforms.failures import ImageError
from transforms.sniff import format_of, is_known


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"P7\nWIDTH 3\n", "PAM"),
        (b"8BPS\0\1", "Photoshop"),
        (b"FOVb\0", "camera raw (X3F)"),
        (b"PK\x03\x04", "zip"),
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"\x28\0\0\0\x10\0\0\0\x10\0\0\0\1\0\x18\0", "BMP without its file header (DIB)"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
            "Git LFS pointer, fetched by git lfs pull",
        ),
        (b"a.jpg".ljust(257, b"\0") + b"ustar\x0000", "tar, without the extension .tar"),
    ],
)
def test_what_is_known_and_not_read_has_its_name(content: bytes, name: str) -> None:
    with pytest.raises(ImageError) as raised:
        format_of(content)
    assert raised.value.reason == "unsupported_format"
    assert raised.value.message == f"{name}: this type is not read"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0hevc", "HEIF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypavis\0\0\0\0msf1avis", "AVIF"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        # The brands end with their box.
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif", "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JXL"),
        (b"\xff\x0a\xfa\x1f", "JXL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "RAW"),
        (b"II*\0\x10\0\0\0CR\x02\0", "RAW"),
        (b"FUJIFILMCCD-RAW 0201", "RAW"),
        (b"IIU\0\x08\0\0\0", "RAW"),
        (b"P6\n# by hand\n# twice\n3 2\n255\n", "PPM"),
        (b"P1 3 2 101010", "PPM"),
    ],
)
def test_containers_and_bare_codestreams(content: bytes, kind: str) -> None:
    assert format_of(content) == kind


def test_a_film_is_no_picture() -> None:
    assert not is_known(b"\0\0\0\x14ftypqt  \0\0\0\0qt  ")
    assert not is_known(b"\0\0\0\x18ftypisom\0\0\2\0isomavc1")


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (b"\xff\xd8\xff", True),
        (b"PK\x03\x04", True),
        (b"\x01\x01\0\0\0", False),
        (bytes(32), False),
        (b"P6 is what they call it", False),
        (b"P5\n#" + bytes(5_000) + b"\n3 2", False),
    ],
)
def test_pictures_and_archives_are_known(content: bytes, known: bool) -> None:
    assert is_known(content) is known
