"""Braces in paths, as shells and WebDataset write several names in one: `part-{000..010}.tar`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transforms.errors import UsageError

MOST = 100_000
"""Paths that one pattern may stand for."""

_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_LETTERS = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d+))?")


def expand(pattern: str) -> list[str]:
    """Every path that a pattern stands for, in its order; the pattern itself without such braces.

    `{a,b}` are alternatives and may nest; `{000..010}` are numbers, filled up with zeros to the
    width of the longer one if one of them begins with a zero; `{a..e}` are letters; a third number
    is the step. Braces around anything else stand for themselves.

    Raises:
        UsageError: there are more than `MOST`.
    """
    found: list[str] = []
    for path in _expanded(pattern, pattern):
        found.append(path)
        if len(found) > MOST:
            raise _too_many(pattern)
    return found


def _too_many(pattern: str) -> UsageError:
    return UsageError(
        f"--input {pattern}: the braces stand for more than {MOST:,} paths. Write a glob, or an "
        "input list."
    )


def _expanded(text: str, pattern: str) -> Iterator[str]:
    start = 0
    while (start := text.find("{", start)) >= 0:
        end = _closing(text, start)
        choices = _choices(text[start + 1 : end], pattern) if end > 0 else None
        if choices is None:
            start += 1
            continue
        for choice in choices:
            for rest in _expanded(text[end + 1 :], pattern):
                yield text[:start] + choice + rest
        return
    yield text


def _closing(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return at
    return -1


def _choices(inner: str, pattern: str) -> list[str] | None:
    """What stands between two braces, one after the other; None if they are only braces."""
    if numbers := _NUMBERS.fullmatch(inner):
        first, last, step = numbers.groups()
        padded = any(re.match("-?0[0-9]", end) for end in (first, last))
        width = max(len(first), len(last)) if padded else 0
        steps = _steps(int(first), int(last), step, pattern)
        return [f"{number:0{width}d}" if width else str(number) for number in steps]
    if letters := _LETTERS.fullmatch(inner):
        first, last, step = letters.groups()
        return [chr(code) for code in _steps(ord(first), ord(last), step, pattern)]
    parts = _split(inner)
    if len(parts) < 2:
        return None
    return [path for part in parts for path in _expanded(part, pattern)]


def _steps(first: int, last: int, step: str | None, pattern: str) -> range:
    by = abs(int(step or 1)) or 1
    steps = range(first, last + 1, by) if first <= last else range(first, last - 1, -by)
    if steps[MOST:]:
        raise _too_many(pattern)
    return steps


def _split(inner: str) -> list[str]:
    """At commas that are in no braces of their own."""
    parts, depth = [""], 0
    for letter in inner:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
