"""The one exception class that a command shows to its user without a traceback."""

from __future__ import annotations

import re
from collections.abc import Sequence

# A user and a password, which may hold colons and further @, or a token alone.
_USER = re.compile(r"(?<=[A-Za-z0-9]://)(?:([^\s/:@]*:)[^\s/]*|[^\s/:]*)@")


def without_passwords(text: str) -> str:
    """A message in which no address of any scheme tells a password or a token before its host.

    `ftp://user:secret@host/a` becomes `ftp://user:***@host/a`, as
    `transforms.storage.addresses.without_credentials` has it in rows.
    """
    return _USER.sub(lambda found: f"{found[1] or ''}***@", text)


class UserError(Exception):
    """Something that the user can mend: a wrong flag, a missing file, an unusable model.

    The message names the thing, says what was expected and what to do about it. The command line
    prints it alone and ends with `exit_status`; `--verbose` adds the traceback.

    Attributes:
        exit_status: 1 for a run that failed, 2 for wrong usage (`UsageError`).
        lines: the message and what stands below it. None of them is broken on a terminal.
    """

    exit_status = 1

    def __init__(self, message: str, *, below: Sequence[str] = ()) -> None:
        self.lines = [without_passwords(line) for line in (message, *below)]
        super().__init__("\n".join(self.lines))


class UsageError(UserError):
    """A command line or an option that cannot be carried out, found before any I/O."""

    exit_status = 2


class MissingExtraError(UserError):
    """A package that one kind of storage needs is not installed.

    An input there stops the run before it starts; one row of an input list costs that row.
    """


MAX_MESSAGE = 200
"""Characters of a message at most; what a decoder says of hostile data may be very long."""


def one_line(text: str) -> str:
    """The text without line breaks, control characters and passwords, `MAX_MESSAGE` at most."""
    # A little more than is kept, so that a huge text is not walked through.
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_MESSAGE])
    line = without_passwords(" ".join(printable.split()))
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 3] + "..."


def printable(text: str) -> str:
    r"""The text as one line for a terminal: what would move its cursor or colour it is spelled out.

    Bytes of names that are not UTF-8 are `\xNN`, as in rows; the rest is as Python writes it.
    """
    return "".join(each if each.isprintable() else _spelled(each) for each in text)


def _spelled(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def clause(words: object) -> str:
    """What others say, without the full stop at its end, for a sentence of ours to go on."""
    return str(words).rstrip(" .")
