"""Addresses as people may see them: no password, of any scheme."""

from __future__ import annotations

from pathlib import Path

import pytest

from transforms.errors import UserError, without_user
from transforms.failures import Reason, read_failure
from transforms.inputs.listing import list_input
from transforms.records import ImageRef
from transforms.storage.addresses import shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://user:secret@host/a.jpg", "ftp://host/a.jpg"),
        ("FTP://user:secret@host/a.jpg", "FTP://host/a.jpg"),
        ("sftp://user:se@cret@host:22/a@b.jpg?c=d#e", "sftp://host:22/a@b.jpg?c=d#e"),
        ("hdfs://user@host", "hdfs://host"),
        ("s3://key:secret@bucket/a", "s3://bucket/a"),
        ("https://user:secret@host/a?token=b#c", "https://host/a"),
        ("gs://bucket/me@home.jpg", "gs://bucket/me@home.jpg"),
        ("gs://bucket/ftp://a@b/c", "gs://bucket/ftp://a@b/c"),
        ("/photos/a@b.jpg", "/photos/a@b.jpg"),
        ("me@home.jpg", "me@home.jpg"),
    ],
)
def test_an_address_is_shown_without_user_and_password(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_messages_have_no_passwords() -> None:
    said = "no access to ftp://user:secret@host/a, nor to s3+x://k:s@b/c (me@home)"
    expected = "no access to ftp://host/a, nor to s3+x://b/c (me@home)"
    assert without_user(said) == expected
    assert str(UserError(said)) == expected
    assert read_failure("/a", Reason.IO_ERROR, said).message == expected


def test_a_row_of_an_input_list_has_no_password(tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("ftp://user:secret@host/a.jpg\n")
    (ref,) = list_input(str(listing))
    assert isinstance(ref, ImageRef)
    assert ref.uri == "ftp://host/a.jpg"
