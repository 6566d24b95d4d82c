"""Which pictures a table lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.labels.pictures import Listed
from tests.helpers.truths import write_table
from transforms.errors import UserError


def test_pictures_are_listed_by_address_or_by_its_end(tmp_path: Path) -> None:
    rows = f"uri,file\ngs://b/a.jpg,\n,b.jpg\n,d/c.jpg\nx.jpg,\n{tmp_path}/y.tar#m.jpg,\n"
    listed = Listed(write_table(tmp_path, rows))
    uris = {
        "gs://b/a.jpg": True,
        "gs://c/a.jpg": False,
        "/p/b.jpg": True,
        "/p/x.tar#q/b.jpg": True,
        "/p/d/c.jpg": True,
        "/p/c.jpg": False,
        f"{tmp_path}/x.jpg": True,
        "/p/x.jpg": False,
        f"{tmp_path}/y.tar#m.jpg": True,
    }
    assert listed.among([*uris]).tolist() == [*uris.values()]


def test_a_row_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 2: expected a column uri or file, found label"):
        Listed(write_table(tmp_path, "label\ncat\n"))
