from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.explore.options import DuplicatesOptions, ReviewOptions, SearchOptions
from transforms.errors import UsageError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DuplicatesOptions(folder="x", threshold=0), "--threshold: expected a cosine"),
        (lambda: DuplicatesOptions(folder="x", threshold=1.01), "--threshold: expected a cosine"),
        (lambda: SearchOptions(folder="x", like=""), "--like: expected a picture, found ''"),
        (lambda: SearchOptions(folder="x", like="a", k=0), "-k: expected a number of results"),
        (lambda: ReviewOptions(folder="x", budget=0), "--budget: expected a number of pictures"),
        (lambda: ReviewOptions(folder=""), "DIR: expected the output folder of a run"),
    ],
)
def test_a_value_that_cannot_work_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert str(raised.value).startswith(message)


def test_the_largest_and_smallest_values_work() -> None:
    assert DuplicatesOptions(folder="x", threshold=1).threshold == 1
    assert SearchOptions(folder="x", like="a", k=1).k == 1
    assert ReviewOptions(folder="x", budget=1).budget == 1
