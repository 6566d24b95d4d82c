"""The one exception class that a command shows to its user without a traceback."""

from __future__ import annotations

import re

_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")


def without_user(text: str) -> str:
    """The text without what addresses of any scheme in it say before their host.

    `ftp://user:password@host/a.jpg` becomes `ftp://host/a.jpg`.
    """
    return _USER.sub(r"\1", text)


class UserError(Exception):
    """Something that the user can mend: a wrong flag, a missing file, an unusable model.

    The message names the thing, says what was expected and what to do about it. The command line
    prints it alone and ends with `exit_status`; `--verbose` adds the traceback.

    Attributes:
        exit_status: 1 for a run that failed, 2 for wrong usage (`UsageError`).
    """

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(without_user(message))


class UsageError(UserError):
    """A command line or an option that cannot be carried out, found before any I/O."""

    exit_status = 2
