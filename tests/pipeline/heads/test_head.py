"""The file of a head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.heads.head import Head, read_head, vectors_of, write_head
from pipeline.run.folder.finished import open_run
from transforms.errors import UserError


def test_a_file_that_is_no_head_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, weights=np.zeros(3))
    (tmp_path / "text.npz").write_text("hello", "utf-8")
    (tmp_path / "empty.npz").touch()
    for name, expected in (
        ("none.npz", "no head is there"),
        ("other.npz", "not a head"),
        ("text.npz", "not a head"),
        ("empty.npz", "not a head"),
    ):
        with pytest.raises(UserError, match=expected):
            read_head(str(tmp_path / name))
    about = {"vectors": vectors_of(open_run(str(run)))}
    zeros = np.zeros((256, 2), np.float32)
    write_head(str(other), Head(("é", "b"), zeros, zeros[0], about))
    assert read_head(str(other)).labels == ("é", "b")
