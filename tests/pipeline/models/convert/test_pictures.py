"""Pictures for a conversion or a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.models import model_command


def test_pictures_that_cannot_be_decoded_are_an_error(
    stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert model_command("compare", stand_in_file, stand_in_file, "--input", tmp_path) == 1
    assert "none of its 1 pictures can be decoded" in capsys.readouterr().err
