"""Names in the folder of a run."""

from __future__ import annotations

MANIFEST = "_MANIFEST.json"


SUCCESS = "_SUCCESS"


OF_A_RUN = frozenset([MANIFEST, SUCCESS, "_RUNNING.json"])
"""Files of a run beside its rows."""

UNFINISHED = "_unfinished-"
"""How the names of folders begin that hold what no run has finished."""

HEAD_FOLDER = "head"
"""Labels of a head, beside the rows that they were learned from."""

EXPORT_FOLDER = "export"
EXPORTS = frozenset(
    ["label-studio", "fiftyone", "huggingface", "coco-classification", "csv", "imagefolder"]
)
"""Folders in the export folder of a run, one a format."""

MARKER = "_QUANTLABEL.json"
"""In every folder that a command derives from a run: what in it is ours and never input."""
