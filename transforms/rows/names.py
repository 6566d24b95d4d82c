"""Names in the folder of a run."""

from __future__ import annotations

FORMAT_NAMES = ("parquet", "tfrecord", "tfrecord.gz", "jsonl")
"""Keys of `transforms.rows.formats.FORMATS`, for those that must not import Arrow."""

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
"""Folders in the export folder of a run that version 0.1.0 wrote: those of today have a marker."""

MARKER = "_QUANTLABEL.json"
"""In every folder that a command derives from a run: what in it is ours and never input."""
EVALUATION_FILE = "evaluation/evaluation.json"

GROUPS_FILE = "duplicates/groups.parquet"
DUPLICATES_FILE = "duplicates/summary.json"
