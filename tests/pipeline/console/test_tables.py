"""Tables on a terminal and in a pipe."""

from __future__ import annotations

import pytest
from rich.table import Table

from pipeline.console import tables


def test_in_a_pipe_rows_are_neither_wrapped_nor_padded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table = Table.grid(padding=(0, 2))
    table.add_row("short", "x" * 300)
    table.add_row("a longer name", "y")
    tables.output().print(table)
    assert capsys.readouterr().out == f"short          {'x' * 300}\na longer name  y\n"


def test_a_name_that_a_terminal_would_obey_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table.grid()
    table.add_row("a\x1b[31m:cat:\u202egpj.jpg")
    console = tables.output()
    console.print(table)
    console.print("b\x1b[2J\x9b.jpg", markup=False)
    assert capsys.readouterr().out == "a\\x1b[31m:cat:\\u202egpj.jpg\nb\\x1b[2J\\x9b.jpg\n"
