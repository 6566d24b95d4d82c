"""Braces, held against bash where it is there."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from transforms.errors import UsageError
from transforms.inputs.braces import expand

PATTERNS = {
    "a.tar": ["a.tar"],
    "x-{000..010..5}.tar": ["x-000.tar", "x-005.tar", "x-010.tar"],
    "{9..11}": ["9", "10", "11"],
    "{08..10}": ["08", "09", "10"],
    "{3..1}": ["3", "2", "1"],
    "{-1..1}": ["-1", "0", "1"],
    "{-05..5..5}": ["-05", "000", "005"],
    "{a,b}/{0..1}.tar": ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"],
    "{a,b{1,2}}c": ["ac", "b1c", "b2c"],
    "{a..e..2}": ["a", "c", "e"],
    "{a}{b,c}": ["{a}b", "{a}c"],
    "{}x{": ["{}x{"],
    "{a,{b}": ["{a,{b}"],
    "{,b}a": ["a", "ba"],
    "a}{b,c": ["a}{b,c"],
    "{x{1..2}}": ["{x1}", "{x2}"],
}


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.items())
def test_braces_stand_for_what_shells_take_them_for(pattern: str, expected: list[str]) -> None:
    assert expand(pattern) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_bash_says_the_same(pattern: str) -> None:
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {pattern}"], capture_output=True, text=True, check=True
    )
    assert expand(pattern) == words.stdout.splitlines()


@pytest.mark.parametrize("pattern", ["{0..100000}", "{0..999}{0..999}", "{0..9999999999999}"])
def test_too_many_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="the braces stand for more than 100,000 paths"):
        expand(pattern)
