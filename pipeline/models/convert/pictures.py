"""Pictures of a folder, read and resampled without a pipeline, for conversion and comparison."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from transforms.ahead import Ahead
from transforms.errors import UserError
from transforms.images.loader import Loader
from transforms.images.loader_pool import LoaderPool
from transforms.images.settings import Preprocessing
from transforms.inputs import listing
from transforms.network.ranking import BATCH_SIZE
from transforms.records import Failure, Image, ImageRef, Pixels


def pictures(source: str, *, size: int, columns: int | None = None) -> Iterator[Pixels]:
    """Pixels uint8[size, columns, 3] of everything that can be decoded, preprocessed as by default.

    Args:
        source: A folder, glob, input list or picture, as of `quantlabel label --input`.
        size: Rows, and columns.
        columns: Of what is no square.

    Raises:
        UserError: There is nothing, or nothing that can be decoded.
    """
    loader = Loader(Preprocessing(size=size, columns=columns))
    refs = (item for item in listing.list_input(source) if isinstance(item, ImageRef))
    pool = LoaderPool()
    listed = decoded = 0
    ahead: Ahead[Image | Failure] = Ahead()
    # A batch at a time: the pool would take in a listing of any length.
    while batch := list(itertools.islice(refs, BATCH_SIZE)):
        for ref in batch:
            ahead.append(pool.submit(loader, [ref]))
        while ahead:
            (loaded,) = ahead.pop()
            listed += 1
            if isinstance(loaded, Image):
                decoded += 1
                yield loaded.pixels
    if not listed:
        raise listing.nothing_matched(source)
    if not decoded:
        raise UserError(f"{source}: none of its {listed:,} pictures can be decoded")
