"""A SavedModel made ready for a labelling run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.models.class_files import classes_of, without_classes
from pipeline.models.float_module import folder, savedmodel
from pipeline.models.hints import NetworkHints
from transforms.errors import UserError
from transforms.network.network import Network


def load(path: Path, *, sha256: str | None = None, hints: NetworkHints = NetworkHints()) -> Network:
    """Packs a SavedModel so that it can travel, after a look at its signatures.

    Args:
        path: Its folder.
        sha256: The hash that `pipeline.models.float_module.folder.sha256` must give, or None.
        hints: What the user says of it; the names of its classes alone count here.

    Raises:
        UserError: It lacks a signature, or has another hash or other classes than it should.
    """
    found = folder.sha256(path)
    folder.require_sha256(path, found, sha256)
    signatures = savedmodel.signatures(path)
    has_classes = not savedmodel.gives_features_alone(signatures)
    try:
        if has_classes:
            classes = _width(signatures, savedmodel.CLASSIFICATION)
            told = classes_of(classes, hints, is_published=True)
        else:
            told = without_classes("its signatures", hints)
        feature_size = _width(signatures, savedmodel.FEATURES)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return Network(
        name=path.resolve().name,
        kind="savedmodel",
        sha256=found,
        content=folder.archive(path),
        input_size=savedmodel.image_size(path),
        feature_size=feature_size,
        classes=told.classes,
        outputs="logits" if has_classes else "features",
    )


def _width(signatures: Mapping[str, Any], name: str) -> int:
    """Columns of the output `default` of a signature."""
    shape = savedmodel.shape_of(signatures[name], output=True) if name in signatures else None
    if not shape or len(shape) != 2 or shape[1] < 1:
        raise UserError(
            f"expected a signature {name} with the output default float32[batch, n]; it "
            f"has {', '.join(sorted(signatures)) or 'none'}"
        )
    return shape[1]
