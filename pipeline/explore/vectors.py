"""Feature vectors of a finished run, made ready for comparison by cosine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Vectors = npt.NDArray[np.float32]
"""float32[n, feature size], each row of length 1, so that a dot product is a cosine."""


def unit_vectors(table: pa.Table) -> Vectors:
    """The `embedding` column of a table of predictions, each row divided by its length.

    A vector of zeros stays what it is: it is like nothing.
    """
    column = table["embedding"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return units
