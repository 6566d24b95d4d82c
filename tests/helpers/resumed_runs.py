"""A run over ten pictures that others resume."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.cli import main
from pipeline.run.folder.finished import open_run


class Run:
    """A folder of ten pictures and a finished run over them."""

    def __init__(self, photos: Path, out: Path, model: Path) -> None:
        self.photos = photos
        self.out = out
        self._model = model

    def label(self, *words: object, source: Path | None = None) -> int:
        arguments = ["--input", source or self.photos, "--output", self.out, "--model", self._model]
        return main(["label", "--quiet", *map(str, [*arguments, *words])])

    @property
    def manifest(self) -> dict[str, Any]:
        return open_run(str(self.out)).manifest.as_dict()

    def rows(self) -> dict[str, dict[str, Any]]:
        table = pa.concat_tables(open_run(str(self.out)).predictions())
        rows = {Path(row["uri"]).name: row for row in table.to_pylist()}
        assert len(rows) == table.num_rows
        return rows

    def failures(self) -> dict[str, str]:
        tables = list(open_run(str(self.out)).failures())
        rows = [row for table in tables for row in table.to_pylist()]
        return {Path(row["uri"]).name: row["reason"] for row in rows}

    def picture(self, name: str) -> Path:
        return self.photos / name

    def shard(self, at: int = 0) -> Path:
        return sorted(self.out.glob("predictions-*"))[at]

    def ruin_unseen(self, name: str) -> None:
        """Makes a picture unusable such that neither its size nor its time says so."""
        status = self.picture(name).stat()
        self.picture(name).write_bytes(bytes(status.st_size))
        os.utime(self.picture(name), ns=(status.st_atime_ns, status.st_mtime_ns))


def first_run(photos: Path, model: Path, folder: Path) -> Run:
    """A finished run over ten pictures, an empty file and a link to nothing."""
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "dangling.jpg").symlink_to("nowhere.jpg")
    run = Run(photos, folder / "out", model)
    assert run.label() == 0
    return run
