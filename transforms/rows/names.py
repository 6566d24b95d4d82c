"""Names in the folder of a run."""

from __future__ import annotations

FORMAT_NAMES = ("parquet", "tfrecord", "tfrecord.gz", "jsonl")
"""Keys of `transforms.rows.formats.FORMATS`, for those that must not import Arrow."""

MANIFEST = "_MANIFEST.json"


SUCCESS = "_SUCCESS"


UNFINISHED = "_unfinished-"
"""How the names of folders begin that hold what no run has finished."""

HEAD_FOLDER = "head"
"""Labels of a head, beside the rows that they were learned from."""

EVALUATION_FILE = "evaluation/evaluation.json"

GROUPS_FILE = "duplicates/groups.parquet"
DUPLICATES_FILE = "duplicates/summary.json"
