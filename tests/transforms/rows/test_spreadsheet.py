"""No text becomes a formula, and all of it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rows.spreadsheet import from_cell, harmless


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x","y")',
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\u3000=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        "\tplain",
        " \r",
    ],
)
def test_what_begins_like_a_formula_begins_with_an_apostrophe(text: str) -> None:
    assert harmless(text) == "'" + text
    assert from_cell("'" + text) == text


@pytest.mark.parametrize(
    "text", ["", "tench", "a=b", "rock 'n' roll", "'tis", "''", "1-2", " x", "!=", "#N/A"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == from_cell(text) == text


def test_text_with_an_apostrophe_of_its_own_keeps_it() -> None:
    assert harmless("'=1") == "''=1"
    assert from_cell("''=1") == "'=1"


@given(st.text(st.sampled_from("'= +-@\t\r\n\uff1dab"), max_size=8) | st.text())
def test_all_text_comes_back_and_none_begins_like_a_formula(text: str) -> None:
    cell = harmless(text)
    assert from_cell(cell) == text
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))
