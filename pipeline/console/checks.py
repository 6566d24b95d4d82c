"""Values of options, checked before anything is read or written."""

from __future__ import annotations

from transforms.errors import UsageError


def require(holds: bool, flag: str, expected: str, found: object) -> None:
    """Refuses a value that cannot work.

    Args:
        holds: whether it can.
        flag: whose value it is, as the user types it.
        expected: what would do.
        found: the value.

    Raises:
        UsageError: it does not hold.
    """
    if not holds:
        raise UsageError(f"{flag}: expected {expected}, found {found!r}")


def require_run(folder: str) -> None:
    """Refuses an empty DIR, as a variable of a shell that is not set leaves it.

    Raises:
        UsageError: it is empty.
    """
    require(folder != "", "DIR", "the output folder of a run", folder)


def require_truth(truth: str) -> None:
    """Refuses an empty --truth.

    Raises:
        UsageError: it is empty.
    """
    require(truth != "", "--truth", "a table or the word folders", truth)
