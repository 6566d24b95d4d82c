"""`quantlabel head fit`: from some labelled pictures of a run to a head, with honest figures."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from pipeline.console.checks import require, require_run
from pipeline.console.progress_bar import tracked
from pipeline.evaluate.calibration import ScoreCounts
from pipeline.evaluate.confusion import class_figures, confused
from pipeline.evaluate.shares import share
from pipeline.heads.head import FILE, Head, Vectors, embeddings, vectors_of, write_head
from pipeline.labels.answers.guesses import looks_copied
from pipeline.labels.options import TruthOptions
from pipeline.labels.truth import Truth, load_truth
from pipeline.labels.vocabularies import OwnLabels
from pipeline.run.folder.finished import FinishedRun, open_run
from pipeline.run.folder.manifest import now
from transforms._version import VERSION
from transforms.errors import UserError
from transforms.rows.marker import mark_files
from transforms.storage import files

_LEAST = 2
"""Pictures of a label: one to learn from and one to check with."""

_FOLDS = 5
_EXAMPLES = 20
_MISTAKES = 20
_FIGURES = ("truth", "predicted", "precision", "recall")

# scikit-learn's C. Of 0.001 to 100 it did best, in accuracy and likelihood, at telling dogs, other
# animals and things apart on the 200 labelled photographs, five-fold.
_INVERSE_PENALTY = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitOptions(TruthOptions):
    """What a head learns from; the truth as in `TruthOptions`.

    Attributes:
        folder: of a finished run.
        output: where the head goes; None for `__head/head.npz` in the folder of the run.
        none_of_these: whether that answer is a label too; else such pictures are left out.

    Raises:
        UsageError: one of them is empty.
    """

    folder: str
    output: str | None = None
    none_of_these: bool = False

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require_run(self.folder)
        super().__post_init__()
        require(self.output != "", "--output", "a file", self.output)

    @property
    def path(self) -> str:
        """Where the head goes."""
        return self.output or files.join(self.folder, FILE)


class _Examples(NamedTuple):
    """What is learned from.

    Attributes:
        vectors: of the pictures with a truth.
        numbers: of their labels.
        same: of them, those whose label is the network's own.
    """

    vectors: Vectors
    numbers: npt.NDArray[np.intp]
    same: int = 0


def fit(options: FitOptions, *, console: Console) -> dict[str, Any]:
    """Fits a head on the vectors of the pictures that the truth knows, and writes it.

    Memory grows with those pictures, some kB each at 256 features, and not with the run.

    Args:
        options: what it learns from.
        console: where progress is shown.

    Returns:
        What the head says of itself, its cross-validated figures included, as plain values.

    Raises:
        UserError: there is no finished run, the truth cannot be read, or says too little.
    """
    run = open_run(options.folder, with_vectors=True)
    own = OwnLabels(none_of_these=options.none_of_these)
    truth = load_truth(options, own)
    found = _examples(run, truth, own, console)
    labels = own.labels
    counts = np.bincount(found.numbers, minlength=len(labels))
    used = np.flatnonzero(counts >= _LEAST)
    alone = [labels[at] for at in np.flatnonzero(counts == 1).tolist()]
    _require_enough(options.named, len(used), alone)
    labels = [labels[at] for at in used.tolist()]
    # Labels of the truth that too few pictures have fall away, and the numbers close up.
    kept = np.isin(found.numbers, used)
    examples = _Examples(found.vectors[kept], np.searchsorted(used, found.numbers[kept]))
    unused, answers = truth.unused(examples=_EXAMPLES), truth.summary()
    about = {
        "version": VERSION,
        "fitted": now(),
        "vectors": vectors_of(run),
        "truth": options.named,
        "answers": answers,
        "copied": looks_copied(found.same, of=len(found.numbers), answers=answers),
        "rows": {
            "with_truth": len(examples.numbers),
            "alone": len(alone),
            "alone_examples": alone[:_EXAMPLES],
            "truth_unused": unused.number,
            "truth_unused_examples": unused.examples,
        },
        **_cross_validated(examples, labels, console),
    }
    head = _learn(examples, labels)
    if options.path == files.join(options.folder, FILE):  # elsewhere the folder is the user's
        mark_files(options.folder, FILE, command="head")
    write_head(options.path, dataclasses.replace(head, about=about))
    return about


def _examples(run: FinishedRun, truth: Truth, own: OwnLabels, console: Console) -> _Examples:
    rows = run.predictions(columns=("uri", "embedding", "label"))
    vectors, numbers, same = [], [], 0
    for table in tracked(rows, "rows", total=run.manifest.predictions, size=len, console=console):
        found = truth.classes(table["uri"].to_pylist())
        known = found >= 0
        vectors.append(embeddings(table)[known])
        numbers.append(found[known])
        guesses = table["label"].filter(pa.array(known)).to_pylist()
        labels = own.labels  # folders are named as they come
        told = (labels[number] for number in found[known].tolist())
        same += sum(map(operator.eq, guesses, told))
    return _Examples(np.concatenate(vectors), np.concatenate(numbers).astype(np.intp), same)


def _require_enough(truth: str, labels: int, alone: Sequence[str]) -> None:
    if labels < 2:
        few = f", and {len(alone)} with one picture, such as {alone[0]!r}" if alone else ""
        raise UserError(
            f"--truth {truth}: a head tells at least two labels apart, and the truth gives "
            f"{labels} to the pictures of the run{few}. A label needs two, one to learn from and "
            "one to check with; twenty are a start."
        )


def _learn(examples: _Examples, labels: Sequence[str]) -> Head:
    """Logistic regression.

    The mean of the vectors is taken off and given back with the bias. That is the same head, as the
    bias is not penalized, but found in a quarter of the steps. One thread: several wait for each
    other with such small matrices, which took seven times as long on a machine with other work.
    """
    mean = examples.vectors.mean(axis=0)
    regression = LogisticRegression(C=_INVERSE_PENALTY, max_iter=2000)
    with threadpool_limits(1):
        regression.fit(examples.vectors - mean, examples.numbers)
    weights, bias = _two_sided(regression.coef_.T, regression.intercept_)
    return Head(tuple(labels), weights, bias - mean @ weights, {})


def _two_sided(
    weights: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """With two labels scikit-learn has one column, the difference of theirs; softmax wants both."""
    if weights.shape[1] == 1:
        halves = np.array([-0.5, 0.5])
        weights, bias = weights * halves, bias * halves
    return weights.astype(np.float32), bias.astype(np.float32)


def _cross_validated(
    examples: _Examples, labels: Sequence[str], console: Console
) -> dict[str, Any]:
    """Figures for pictures that were not learned from: a head of the other folds judges each."""
    numbers = examples.numbers
    counts = np.bincount(numbers)
    folds = min(_FOLDS, int(counts.min()))
    scores = np.empty((len(numbers), len(labels)), np.float32)
    split = _folds(numbers, folds)
    for others, fold in tracked(split, "folds", total=folds, console=console):
        head = _learn(_Examples(examples.vectors[others], numbers[others]), labels)
        scores[fold] = head.scores(examples.vectors[fold])
    predicted = scores.argmax(axis=1)
    right = predicted == numbers
    calibration = ScoreCounts()
    calibration.add(scores.max(axis=1).astype(np.float64), right)
    pairs = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(pairs, (numbers, predicted), 1)
    return {
        "folds": folds,
        "accuracy": share(int(right.sum()), len(numbers)),
        "largest_label": share(int(counts.max()), len(numbers)),
        "calibration_error": calibration.error(),
        "by_label": [
            {"label": label, **{name: getattr(of, name) for name in _FIGURES}}
            for label, of in zip(labels, class_figures(pairs), strict=True)
        ],
        "confused": list(confused(pairs, labels, most=_MISTAKES)),
    }


def _folds(numbers: npt.NDArray[np.intp], folds: int) -> Iterator[Any]:
    """Positions of the other folds and of the fold, with every label in each."""
    # A fixed seed: the same figures at every call.
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    return split.split(np.zeros(len(numbers)), numbers)  # type: ignore[no-any-return]
