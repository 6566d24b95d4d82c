"""Which options decide what is in a row: one list, which `--resume` and `verify` go by."""

from __future__ import annotations

import dataclasses

from pipeline.run.options import CHANGE_ROWS, KEEP_ROWS, LabelOptions
from transforms.images.settings import Preprocessing
from transforms.network.scoring import Scoring
from transforms.rows.formats import FORMATS
from transforms.rows.names import FORMAT_NAMES


def test_every_option_is_said_to_change_rows_or_to_keep_them() -> None:
    names = [field.name for field in dataclasses.fields(LabelOptions)]
    assert sorted([*CHANGE_ROWS, *KEEP_ROWS]) == sorted(names)


def test_what_decides_pixels_and_predictions_is_an_option_that_changes_rows() -> None:
    fields = [*dataclasses.fields(Preprocessing), *dataclasses.fields(Scoring)]
    names = {field.name for field in fields} - {"size", "method"}  # the network's; --preprocess
    assert names <= set(CHANGE_ROWS)


def test_formats_have_one_list_of_names() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES
