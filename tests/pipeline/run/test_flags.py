from __future__ import annotations

import argparse

from pipeline.run.flags import add_data, add_limits, add_network, label_options
from pipeline.run.options import LabelOptions


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
