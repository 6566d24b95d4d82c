"""Beam transforms that label pictures, each usable on its own.

The names load when they are first used, so that a program that only needs a record or an error does
not wait for Beam.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.errors import UsageError, UserError
    from transforms.flags import Flags
    from transforms.images.decode_and_preprocess import DecodeAndPreprocess
    from transforms.images.load_and_preprocess import LoadAndPreprocess
    from transforms.images.preprocess import load, unit_range
    from transforms.images.settings import Preprocessing
    from transforms.inputs.read_images import ReadImages
    from transforms.network.classify_images import ClassifyImages
    from transforms.network.network import Network
    from transforms.network.scoring import Scoring
    from transforms.records import Failure, Image, ImageRef, Prediction
    from transforms.rows.write_rows import WriteFailures, WritePredictions

__all__ = [
    "ClassifyImages",
    "DecodeAndPreprocess",
    "Failure",
    "Flags",
    "Image",
    "ImageRef",
    "LoadAndPreprocess",
    "Network",
    "Prediction",
    "Preprocessing",
    "ReadImages",
    "Scoring",
    "UsageError",
    "UserError",
    "WriteFailures",
    "WritePredictions",
    "load",
    "unit_range",
]

_HOMES = {
    "ClassifyImages": "network.classify_images",
    "DecodeAndPreprocess": "images.decode_and_preprocess",
    "Failure": "records",
    "Flags": "flags",
    "Image": "records",
    "ImageRef": "records",
    "LoadAndPreprocess": "images.load_and_preprocess",
    "Network": "network.network",
    "Prediction": "records",
    "Preprocessing": "images.settings",
    "ReadImages": "inputs.read_images",
    "Scoring": "network.scoring",
    "UsageError": "errors",
    "UserError": "errors",
    "WriteFailures": "rows.write_rows",
    "WritePredictions": "rows.write_rows",
    "load": "images.preprocess",
    "unit_range": "images.preprocess",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
