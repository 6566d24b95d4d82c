"""A head: a linear classifier of one's own labels on the stored feature vectors of a network."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.run.folder.finished import FinishedRun
from transforms.errors import UserError
from transforms.network.ranking import softmax
from transforms.rows.names import HEAD_FOLDER
from transforms.storage import files

FILE = f"{HEAD_FOLDER}/head.npz"

Vectors = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Head:
    """Scores are softmax(vectors @ weights + bias).

    Attributes:
        labels: in the order of the scores.
        weights: float32[feature size, labels].
        bias: float32[labels].
        about: which vectors it was made for (`vectors`), from what, when and how good it is.
    """

    labels: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    about: Mapping[str, Any]

    def scores(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        """Scores float32[n, labels] of vectors float32[n, feature size].

        Products are summed in float64: in float32 the last digits of a row depend on the machine
        and on how many other rows are computed with it.
        """
        return softmax(vectors.astype(np.float64) @ self.weights.astype(np.float64) + self.bias)

    def require_fits(self, run: FinishedRun) -> None:
        """Refuses vectors that this head knows nothing of.

        Raises:
            UserError: the run's model or preprocessing is another one.
        """
        size = run.manifest.model.feature_size
        if len(self.weights) != size:
            raise UserError(
                f"{run.folder}: the head takes vectors of {len(self.weights)} numbers, those of "
                f"this run have {size}. Fit one on this run."
            )
        made_for, found = self.about["vectors"], vectors_of(run)
        names = dict.fromkeys([*made_for, *found])
        different = [name for name in names if found.get(name) != made_for.get(name)]
        if different:
            there = ", ".join(f"{name} {made_for.get(name)}" for name in different)
            here = ", ".join(f"{name} {found.get(name)}" for name in different)
            raise UserError(
                f"{run.folder}: the head was fitted on other vectors ({there}) than those of this "
                f"run ({here}). Fit one on this run, or label again as the other run was."
            )


_VECTORS = {"model", "kind", "preprocess"}


def vectors_of(run: FinishedRun) -> dict[str, Any]:
    """What decides the feature vectors of a run: those of other runs compare if it is the same."""
    model, preprocess = run.manifest.model, run.manifest.preprocess
    options = run.manifest.options
    told = {"embedding_tensor": options.embedding_tensor, "input_range": options.input_range}
    return {
        "model": model.sha256,
        "kind": model.kind,
        "preprocess": preprocess.as_dict(),
        **{name: value for name, value in told.items() if value is not None},
    }


def embeddings(table: pa.Table) -> Vectors:
    """The column `embedding`, float32[n, feature size], as it is."""
    column = table["embedding"].combine_chunks()
    vectors: Vectors = column.flatten().to_numpy().reshape(len(table), -1)
    return vectors


def write_head(path: str, head: Head) -> None:
    """Writes a head as a .npz that numpy reads without pickle."""
    file = io.BytesIO()
    about = json.dumps({"labels": head.labels, **head.about}, ensure_ascii=False)
    np.savez(file, weights=head.weights, bias=head.bias, about=np.array(about))
    files.write_bytes(path, file.getvalue())


def read_head(path: str) -> Head:
    """Reads what `write_head` wrote.

    Raises:
        UserError: the file is missing or is no head.
    """
    try:
        content = files.read_bytes(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no head is there. Make one with quantlabel head fit, or name it with --head."
        ) from error
    try:
        return _parsed(content)
    except _NO_HEAD as error:
        raise UserError(
            f"{path}: not a head that quantlabel head fit wrote. Fit it again."
        ) from error


# What numpy, zipfile and json raise for content that is not theirs.
_NO_HEAD = (
    *(KeyError, ValueError, TypeError, EOFError, RecursionError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)


def _parsed(content: bytes) -> Head:
    # A pickle could run anything; heads are passed from hand to hand.
    arrays = np.load(io.BytesIO(content), allow_pickle=False)
    if not isinstance(arrays, Mapping):  # one array by itself
        raise TypeError("no archive of arrays")
    about = json.loads(str(arrays["about"]))
    if not (isinstance(about, dict) and isinstance(about["vectors"], dict)):
        raise TypeError("no object")
    labels, weights, bias = about.pop("labels"), arrays["weights"], arrays["bias"]
    # Everything that the scores below depend on; numpy would multiply what does not fit, too.
    sound = (
        isinstance(labels, list)
        and labels
        and all(isinstance(label, str) for label in labels)
        and len(set(labels)) == len(labels)
        and weights.dtype.kind == bias.dtype.kind == "f"
        and weights.ndim == 2
        and weights.shape[1:] == bias.shape == (len(labels),)
        and np.isfinite(weights).all()
        and np.isfinite(bias).all()
        and about["vectors"].keys() >= _VECTORS
    )
    if not sound:
        raise ValueError("arrays and labels that do not go together")
    return Head(tuple(labels), weights, bias, about)
