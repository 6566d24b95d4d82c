from __future__ import annotations

import pytest

from pipeline.console.extras import require
from transforms.errors import UserError


def test_a_missing_package_is_named_with_what_brings_it() -> None:
    with pytest.raises(UserError) as raised:
        require("json", "no_such_package", extra="explore", command="review")
    assert str(raised.value) == (
        "quantlabel review needs no_such_package. Install the extra: "
        "pip install 'quantlabel[explore]'"
    )


def test_packages_that_are_there_are_enough() -> None:
    require("json", "numpy", extra="explore", command="review")
