from __future__ import annotations

import pytest

from pipeline.view.options import ViewOptions
from transforms.errors import UsageError


@pytest.mark.parametrize("port", [0, 1, 65_535])
def test_ports_that_there_are(port: int) -> None:
    assert ViewOptions(folder="x", port=port).port == port


@pytest.mark.parametrize("port", [-1, 65_536])
def test_ports_that_there_are_not(port: int) -> None:
    with pytest.raises(UsageError, match="--port: expected a port, 0 to 65535"):
        ViewOptions(folder="x", port=port)
