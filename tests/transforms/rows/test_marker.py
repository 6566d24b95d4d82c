from __future__ import annotations

import json
from pathlib import Path

from transforms._version import VERSION
from transforms.rows.marker import mark_files


def test_a_marker_names_the_command_and_what_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "__evaluation").mkdir()
    mark_files(str(tmp_path), "__evaluation/b.json", "__evaluation/a.json", command="evaluate")
    assert json.loads((tmp_path / "__evaluation/_QUANTLABEL.json").read_bytes()) == {
        "quantlabel": VERSION,
        "command": "evaluate",
        "entries": ["a.json", "b.json"],
    }
