"""Which options decide what is in a row: one list, which `--resume` and `verify` go by."""

from __future__ import annotations

import argparse
import dataclasses
import re

import pytest

from pipeline.cli import main
from pipeline.run.options import (
    CHANGE_ROWS,
    KEEP_ROWS,
    LabelOptions,
    add_data,
    add_limits,
    add_network,
    label_options,
)
from transforms.images.settings import Preprocessing
from transforms.network.scoring import Scoring
from transforms.rows.formats import FORMATS
from transforms.rows.names import FORMAT_NAMES


def test_every_option_is_said_to_change_rows_or_to_keep_them() -> None:
    names = [field.name for field in dataclasses.fields(LabelOptions)]
    assert sorted([*CHANGE_ROWS, *KEEP_ROWS]) == sorted(names)


def test_what_decides_pixels_and_predictions_is_an_option_that_changes_rows() -> None:
    fields = [*dataclasses.fields(Preprocessing), *dataclasses.fields(Scoring)]
    # The network's; --preprocess.
    names = {field.name for field in fields} - {"size", "columns", "method"}
    assert names <= set(CHANGE_ROWS)


def test_formats_have_one_list_of_names() -> None:
    assert tuple(FORMATS) == FORMAT_NAMES


def _parsed(*words: str) -> LabelOptions:
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_data(parser)
    add_network(parser)
    add_limits(parser)
    return label_options(parser.parse_args(words), output="out")


def test_a_flag_that_is_not_given_has_the_default_of_the_options() -> None:
    assert _parsed("--input", "a", "--input", "b") == LabelOptions(inputs=("a", "b"), output="out")


def test_flags_become_options() -> None:
    words = ["--input=a", "--top-k=3", "--views=2", "--format=jsonl", "--temperature=0.5"]
    assert _parsed(*words) == LabelOptions(
        inputs=("a",), output="out", top_k=3, views=2, format="jsonl", temperature=0.5
    )


def test_every_option_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["label", "--help"])
    flags = set(re.findall(r"--[a-z0-9-]+", capsys.readouterr().out))
    names = {field.name for field in dataclasses.fields(LabelOptions)} - {"inputs", "beam_args"}
    assert flags >= {"--input", *(f"--{name.replace('_', '-')}" for name in names)}
