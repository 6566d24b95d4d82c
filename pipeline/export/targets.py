"""What a run can be exported to. A new target is a writer in a file of its own and one entry here.

Imports no writer before it is asked for, since `--help` lists the targets.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.export.source import Counts, Source

_INSIDE_ARCHIVES = "they are inside archives, where it cannot look"
_NOT_FILES = "they are not files of this machine, or are inside archives"


@dataclasses.dataclass(frozen=True)
class ExportTarget:
    """A tool that opens what is exported to it.

    Attributes:
        summary: what is written, a line of `--help`.
        writer: `module.function` in this room.
        left_out: why it may not take some pictures; None if it takes all.
        gone: what becomes of pictures whose files are not on this machine.
        needs_labels: whether pictures without any would say nothing to the tool.
        commits: whether the writer brings what is there up to date in one step of its own. Others
            fill a new folder, which then takes the place of the old.
    """

    summary: str
    writer: str
    left_out: str | None = None
    gone: str = "exported, but their files are not on this machine"
    needs_labels: bool = True
    commits: bool = False

    def load(self) -> Callable[[Source, str], Counts]:
        """The function that writes a run's rows to a folder."""
        module, _, name = self.writer.rpartition(".")
        writer: Callable[[Source, str], Counts] = getattr(
            importlib.import_module(f"{__package__}.{module}"), name
        )
        return writer


TARGETS: Mapping[str, ExportTarget] = {
    "label-studio": ExportTarget(
        "tasks with predictions, doubtful first, and a config",
        "label_studio.write_label_studio",
        f"{_INSIDE_ARCHIVES}, or their names are not UTF-8",
    ),
    "fiftyone": ExportTarget(
        "FiftyOneImageClassificationDataset; pictures stay there",
        "fiftyone.write_fiftyone",
        f"{_NOT_FILES}, or do not have the extension of a picture",
    ),
    "huggingface": ExportTarget(
        "a folder for datasets.load_dataset; pictures stay there",
        "huggingface.write_huggingface",
        gone="exported without picture: their files are not on this machine",
        needs_labels=False,
    ),
    "coco-classification": ExportTarget(
        "COCO's JSON with a class for each image", "coco.write_coco"
    ),
    "csv": ExportTarget(
        "a line a picture, and the failures", "csv_table.write_csv", needs_labels=False
    ),
    "imagefolder": ExportTarget(
        "a folder a class with links to its pictures",
        "image_folder.write_image_folder",
        f"{_NOT_FILES}, or have no label of the label map",
        gone="left out: their files are not on this machine",
    ),
    "ledger": ExportTarget(
        "what became of each thing listed, to join to an inventory",
        "ledger.write_ledger",
        "they were skipped, and are inside archives or gone",
        needs_labels=False,
    ),
    "iceberg": ExportTarget(
        "an Apache Iceberg table, a snapshot for each export",
        "lakehouse.iceberg.write_iceberg",
        commits=True,
    ),
    "lance": ExportTarget(
        "a Lance dataset for LanceDB, a version for each export",
        "lakehouse.lance.write_lance",
        commits=True,
    ),
}
"""Name, which is also that of the folder in `export/`, to target."""
