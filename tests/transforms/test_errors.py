from __future__ import annotations

import pytest

from transforms.errors import (
    MissingExtraError,
    UsageError,
    UserError,
    clause,
    printable,
    without_passwords,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ftp://user:secret@host/a: gone", "ftp://user:***@host/a: gone"),
        ("https://token@host/a", "https://***@host/a"),
        ("s3://bucket/a@b:c.jpg", "s3://bucket/a@b:c.jpg"),
        ("write to me@example.com", "write to me@example.com"),
    ],
)
def test_no_message_tells_a_password(text: str, expected: str) -> None:
    assert without_passwords(text) == expected
    assert str(UserError(text)) == expected


def test_exit_statuses_are_those_of_the_documentation() -> None:
    statuses = [kind.exit_status for kind in (UserError, UsageError, MissingExtraError)]
    assert statuses == [1, 2, 1]


def test_a_sentence_of_others_ends_once() -> None:
    assert [clause(said) for said in ("a b.", "a b.. ", "a b", ValueError("a b."))] == ["a b"] * 4


def test_what_would_move_a_cursor_is_spelled_out() -> None:
    odd = "a\x1b[31m\n\r\0 \udce9 \ud83d \u202e é 日本 \\x"
    expected = r"a\x1b[31m\n\r\x00 \xe9 \ud83d \u202e é 日本 \x"
    assert printable(odd) == expected
