"""Names in the folder of a run."""

from __future__ import annotations

FORMAT_NAMES = ("parquet", "tfrecord", "tfrecord.gz", "jsonl")
"""Keys of `transforms.rows.formats.FORMATS`, for those that must not import Arrow."""

MANIFEST = "_MANIFEST.json"


SUCCESS = "_SUCCESS"


RUNNING = "_RUNNING.json"
"""Who is writing in the folder. It is there before any manifest, and nobody else writes it."""

ARCHIVES = "_ARCHIVES.jsonl"
"""Archives that were read to their end; what it says is checked, and it may be missing."""

OF_A_RUN = frozenset([MANIFEST, SUCCESS, RUNNING, ARCHIVES])
"""Files of a run beside its rows."""

UNFINISHED = "_unfinished-"
"""How the names of folders begin that hold what no run has finished."""

ASIDE = "__"
"""How the names begin of all folders of a run beside its predictions.

Who opens the folder of a run as one table passes these over: pandas, pyarrow and Spark what begins
with one underscore, Hugging Face datasets (5.2) what begins with two. Versions before 0.2.0 wrote
the same folders without it, and failures beside the predictions."""

FAILURES_FOLDER = f"{ASIDE}failures"

HEAD_FOLDER = f"{ASIDE}head"
"""Labels of a head, beside the rows that they were learned from."""

EXPORT_FOLDER = f"{ASIDE}export"
EXPORTS = frozenset(
    ["label-studio", "fiftyone", "huggingface", "coco-classification", "csv", "imagefolder"]
)
"""Folders in the export folder of a run that version 0.1.0 wrote: those of today have a marker."""

MARKER = "_QUANTLABEL.json"
"""In every folder that a command derives from a run: what in it is ours and never input."""
EVALUATION_FILE = f"{ASIDE}evaluation/evaluation.json"
EVALUATED_FILE = f"{ASIDE}evaluation/pictures.parquet"

GROUPS_FILE = f"{ASIDE}duplicates/groups.parquet"
DUPLICATES_FILE = f"{ASIDE}duplicates/summary.json"

REPORT_FILE = f"{ASIDE}report/index.html"
REVIEW_FOLDER = f"{ASIDE}review"

SELECTIONS_FOLDER = f"{ASIDE}selections"
"""Input lists of pictures that somebody has chosen on the page of `quantlabel view`."""
