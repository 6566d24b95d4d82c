"""Reasons, messages and the record of a failure."""

from __future__ import annotations

import errno
import pickle

import pytest

from transforms.errors import MAX_MESSAGE, UserError
from transforms.failures import ImageError, Reason, Stage, failure, read_failure
from transforms.records import Failure, ImageRef


def test_the_codes_are_those_of_the_output_format() -> None:
    assert [stage.value for stage in Stage] == ["read", "decode", "infer"]
    assert {reason.value for reason in Reason} == {
        "not_found",
        "not_a_file",
        "permission_denied",
        "unsupported_uri",
        "unsupported_format",
        "bad_manifest_row",
        "too_large_bytes",
        "damaged_shard",
        "no_pictures",
        "name_taken",
        "io_error",
        "timeout",
        "unavailable",
        "empty",
        "unknown_format",
        "unsupported",
        "too_many_pixels",
        "too_complex",
        "truncated",
        "corrupt",
        "too_slow",
        "decoder_crashed",
        "inference_error",
    }


def test_only_trouble_of_the_storage_is_retryable() -> None:
    retryable = {reason.value for reason in Reason if reason.retryable}
    assert retryable == {"permission_denied", "io_error", "timeout", "unavailable"}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOENT, "not_found"),
        (errno.ENOTDIR, "not_found"),
        (errno.EISDIR, "not_a_file"),
        (errno.EACCES, "permission_denied"),
        (errno.EPERM, "permission_denied"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.ECONNRESET, "unavailable"),
        (errno.EIO, "io_error"),
        (errno.ELOOP, "not_found"),
    ],
)
def test_errors_of_the_operating_system(number: int, expected: str) -> None:
    assert Reason.from_os_error(OSError(number, "text")).value == expected


def test_a_failure_carries_the_reference_and_plain_strings() -> None:
    error = ImageError(Reason.TIMEOUT, "no answer in 30 s")
    row = failure(ImageRef("gs://b/é 😀.jpg", '{"a": 1}', 5, "17"), Stage.READ, error)
    assert row == Failure(
        "gs://b/é 😀.jpg", "read", "timeout", "no answer in 30 s", True, 5, "17", '{"a": 1}'
    )
    assert type(row.stage) is type(row.reason) is str


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("two\nlines\r\nand\ta tab", "two lines and a tab"),
        ("\x1b[31mred\x1b[0m \x00 \x7f bell\x07", "[31mred [0m bell"),
        ("\u2028line\u202eorder\udc80", "line order"),
        ("Übergröße 😀", "Übergröße 😀"),
        ("", ""),
    ],
)
def test_a_message_is_one_line_of_printable_characters(message: str, expected: str) -> None:
    assert str(ImageError(Reason.CORRUPT, message)) == expected


def test_a_message_has_a_largest_length() -> None:
    assert str(ImageError(Reason.CORRUPT, "x" * MAX_MESSAGE)) == "x" * 200
    assert str(ImageError(Reason.CORRUPT, "x" * 10_000_000)) == "x" * 197 + "..."


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ImageError(Reason.EMPTY, "the file\nis empty")))
    assert (error.reason, error.message) == (Reason.EMPTY, "the file is empty")


def test_no_message_has_a_password() -> None:
    said = "no access to ftp://user:secret@host/a, s3+x://token@b/c, gs://b/d (me@home)"
    expected = "no access to ftp://user:***@host/a, s3+x://***@b/c, gs://b/d (me@home)"
    assert str(UserError(said)) == str(UserError(expected)) == expected
    assert read_failure("/a", Reason.IO_ERROR, said).message == expected


def test_every_column_has_a_value_where_everything_is_known() -> None:
    """So that a new column, which is nullable, is not forgotten by whoever computes it."""
    ref = ImageRef("/a.jpg", '{"n": 1}', 9, "17")
    row = failure(ref, Stage.DECODE, ImageError(Reason.CORRUPT, "broken"))
    assert [name for name, value in row._asdict().items() if value is None] == []
