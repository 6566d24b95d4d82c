"""The quantized network on a worker: LiteRT interpreters, one a thread."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.kernel import Kernel, UnsuitableError, refused
from transforms.network import native
from transforms.network.ranking import BATCH_SIZE, RankingHandler, Runnable
from transforms.network.scoring import Scoring
from transforms.records import Network

_log = logging.getLogger(__name__)


class LiteRtModel:
    """A two-headed tflite that several threads may call at once.

    An interpreter that two threads share gives wrong results now and then, so each thread has its
    own, made at its first call.

    Args:
        tflite: flatbuffer with one input uint8[n, size, size, 3] and outputs [logits, features].
        batch_size: rows of the input tensor; smaller batches leave the rest as it was.
    """

    def __init__(self, tflite: bytes, *, batch_size: int = BATCH_SIZE) -> None:
        self._tflite = tflite
        self._batch_size = batch_size
        self._local = threading.local()

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """One pass over at most `batch_size` pictures.

        Args:
            pixels: arrays uint8[size, size, 3].

        Returns:
            Dequantized logits float32[n, classes] and features float32[n, feature size].

        Raises:
            ValueError: a picture of another shape.
        """
        interpreter = self._interpreter()
        source = interpreter.get_input_details()[0]
        for picture in pixels:
            if picture.shape != tuple(source["shape"][1:]):
                raise ValueError(f"expected {source['shape'][1:]} pixels, found {picture.shape}")
        rows = interpreter.tensor(source["index"])()
        for row, picture in zip(rows, pixels, strict=False):  # the batch may be shorter
            row[...] = picture
        del row, rows  # a view that is alive makes invoke() fail
        interpreter.invoke()
        logits, features = (
            _dequantized(interpreter.get_tensor(output["index"])[: len(pixels)], output)
            for output in interpreter.get_output_details()
        )
        return logits, features

    def _interpreter(self) -> Any:
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = _new_interpreter(self._tflite, self._batch_size)
        return self._local.interpreter


def _dequantized(codes: npt.NDArray[np.uint8], details: dict[str, Any]) -> npt.NDArray[np.float32]:
    scale, zero_point = details["quantization"]
    values = (codes.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return values.reshape(len(codes), -1)


def _new_interpreter(tflite: bytes, batch_size: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    # One thread: the passes of a batch run side by side already.
    interpreter = Interpreter(model_content=tflite, num_threads=1)
    details = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(details["index"], [batch_size, *details["shape"][1:]])
    interpreter.allocate_tensors()
    return interpreter


class LiteRtModelHandler(RankingHandler):
    """For a quantized MobileNet as a two-headed tflite.

    Args:
        model: the network.
        how: what its logits become.
        kernel: what runs it.
    """

    def __init__(
        self, model: Network, how: Scoring = Scoring(), *, kernel: Kernel = "auto"
    ) -> None:
        super().__init__(model, how)
        self._kernel = kernel

    def load_model(self) -> Runnable:
        """Called once a worker process."""
        return load_model(self._model.read(), kernel=self._kernel)


def load_model(tflite: bytes, *, kernel: Kernel = "auto") -> Runnable:
    """Makes a network ready to run; the numbers do not depend on what runs it.

    Args:
        tflite: as in `LiteRtModel`.
        kernel: what is to run it.

    Raises:
        UsageError: the compiled kernel was asked for and cannot run it; says why.
    """
    if kernel == "python":
        return LiteRtModel(tflite)
    try:
        return _native_model(tflite)
    except UnsuitableError as error:
        if kernel == "native":
            raise refused(error) from error
        _log.debug("LiteRT runs the network: %s", error)
        return LiteRtModel(tflite)


@functools.lru_cache(maxsize=1)  # a local run asks before it starts and again in its worker
def _native_model(tflite: bytes) -> native.NativeModel:
    reference = LiteRtModel(tflite, batch_size=native.CHECKED_PICTURES)
    return native.load(tflite, reference=reference)
