"""One way to every storage."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.helpers.storage import refusal_of
from transforms.storage.files import fresh_folder


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("azfs://bkt/a", "azfs:// needs an extra: pip install 'apache-beam[azure]'"),
        ("hdfs://host/a", "hdfs:// needs an extra: pip install 'apache-beam[hadoop]'"),
        (
            "ftp://host/a",
            "--input ftp://host/a: expected a local path, gs://, s3:// or, to read, http(s)://, "
            "not ftp://",
        ),
    ],
)
def test_other_storage_says_what_to_install(path: str, message: str) -> None:
    assert refusal_of(path).startswith(message)


def test_a_fresh_folder_takes_the_place_of_those_that_were_left(tmp_path: Path) -> None:
    for name in ("_unfinished-csv-0", "_unfinished-coco-0", "csv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows").write_bytes(b"x")
    found = fresh_folder(str(tmp_path), prefix="_unfinished-csv-")
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/_unfinished-csv-[0-9a-f]{{12}}", found)
    assert sorted(os.listdir(tmp_path)) == ["_unfinished-coco-0", "csv"]
