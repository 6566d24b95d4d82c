from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

INTERFACE: int

class Network:
    def __init__(self, size: int, layers: Sequence[Any], level: str | None = None) -> None: ...
    @staticmethod
    def levels() -> list[str]: ...
    @property
    def level(self) -> str: ...
    def run(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[bytes, bytes]: ...

def load_jpeg(
    data: bytes,
    *,
    size: int,
    method: str,
    views: int,
    max_pixels: int,
    corners: bool = False,
    colours: tuple[bytes, bytes] | None = None,
    plain: bool = False,
) -> tuple[bytearray, int, int] | None: ...
