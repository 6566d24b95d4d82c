"""What is known of a run when it begins."""

from __future__ import annotations

from pipeline.run.folder.manifest import Identity, Model, now
from pipeline.run.options import LabelOptions
from transforms import kernel
from transforms._version import ROW_VALUES, VERSION
from transforms.images import native as jpeg
from transforms.images.settings import Preprocessing
from transforms.kernel import check_kernel
from transforms.network.classify_images import model_handler
from transforms.network.label_map import LabelMap
from transforms.network.litert import LiteRtModel
from transforms.network.native import NativeModel
from transforms.network.network import Network
from transforms.storage.addresses import text


def identity_of(options: LabelOptions, model: Network, label_map: LabelMap | None) -> Identity:
    """What is known of a run when it begins, which is now.

    Args:
        options: of the run.
        model: that labels.
        label_map: or None.

    Raises:
        UsageError: the compiled kernel was asked for, and is not there or does not take the model.
    """
    return Identity(
        row_values=ROW_VALUES,
        version=VERSION,
        started=now(),
        model=Model(
            name=text(model.name),
            kind=model.kind,
            sha256=model.sha256,
            input_size=model.input_size,
            feature_size=model.feature_size,
            classes=model.classes,
            outputs=model.outputs,
            embedding_tensor=text(model.embedding_tensor),
            pixel_values=model.pixel_values.in_words(),
            input_columns=model.input_columns,
        ),
        preprocess=_preprocessing(options, model),
        label_map=label_map,
        options=options.for_manifest(),
        kernel=_kernel(options, model) if options.is_local else "",
    )


def _preprocessing(options: LabelOptions, model: Network) -> Preprocessing:
    return options.preprocessing(size=model.input_size, columns=model.input_columns)


def _kernel(options: LabelOptions, model: Network) -> str:
    """What will decode JPEG and run the network.

    Raises:
        UsageError: the compiled kernel was asked for, and is not there or does not take it.
    """
    check_kernel(options.kernel)
    handler = model_handler(model, kernel=options.kernel)
    loaded = handler.load_model() if model.kind == "tflite" else None
    alone = isinstance(loaded, LiteRtModel) and loaded.batch_size == 1
    python = "python, one picture at a time" if alone else "python"
    if options.kernel == "python" or kernel.module is None:
        return python
    takes_jpeg = jpeg.takes(_preprocessing(options, model))
    if not isinstance(loaded, NativeModel):
        return f"native for JPEG, {python} for the network" if takes_jpeg else python
    return f"native ({loaded.level})" + ("" if takes_jpeg else " for the network, python for JPEG")
