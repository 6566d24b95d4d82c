"""The network on a worker: LiteRT interpreters, one a thread."""

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
from transforms.network.batching import first_difference
from transforms.network.network import Network
from transforms.network.pixel_values import PixelValues
from transforms.network.ranking import BATCH_SIZE, RankingHandler, Runnable
from transforms.network.scoring import Scoring

_log = logging.getLogger(__name__)

_BATCHED_SIZE = 128
"""Rows of the largest pictures of which a batch surely gains time. Beyond, 64 of them leave the
caches of a processor. In batches a picture took 2 to 18 % less processor time at 96 and 128 (float
networks 2 to 5 %), and between 10 % less and 11 % more at 160 and 224."""


class LiteRtModel:
    """A tflite that several threads may call at once.

    An interpreter that two threads share gives wrong results now and then, so each thread has its
    own, made at its first call.

    Args:
        tflite: flatbuffer with one input [n, rows, columns, channels] and the outputs [classes,
            features], or one of them alone.
        batch_size: rows of the input tensor; smaller batches leave the rest as it was.
        pixel_values: how pixels become what the input holds.
    """

    def __init__(
        self,
        tflite: bytes,
        *,
        batch_size: int = BATCH_SIZE,
        pixel_values: PixelValues = PixelValues(),
    ) -> None:
        self._tflite = tflite
        self._batch_size = batch_size
        self._pixel_values = pixel_values
        self._local = threading.local()

    @property
    def batch_size(self) -> int:
        """Pictures of a pass."""
        return self._batch_size

    @property
    def input_shape(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        rows, columns = self._interpreter().get_input_details()[0]["shape"][1:3].tolist()
        return rows, columns

    def run(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """As many passes as the pictures need, at least one picture.

        Args:
            pixels: arrays uint8[rows, columns, 3].

        Returns:
            Both outputs dequantized, as in `transforms.network.ranking.Runnable`; the second has no
            columns if the network has no such output.

        Raises:
            ValueError: a picture of another shape.
        """
        passes = [
            self._pass(pixels[start : start + self._batch_size])
            for start in range(0, len(pixels), self._batch_size)
        ]
        if len(passes) == 1:
            return passes[0]
        outputs, features = zip(*passes, strict=True)
        return np.concatenate(outputs), np.concatenate(features)

    def _pass(
        self, pixels: Sequence[npt.NDArray[np.uint8]]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        interpreter = self._interpreter()
        source = interpreter.get_input_details()[0]
        expected = (*source["shape"][1:3].tolist(), 3)
        for picture in pixels:
            if picture.shape != expected:
                raise ValueError(f"expected {expected} pixels, found {picture.shape}")
        rows = interpreter.tensor(source["index"])()
        for row, picture in zip(rows, pixels, strict=False):  # the batch may be shorter
            row[...] = self._pixel_values.encode(picture)
        del row, rows  # a view that is alive makes invoke() fail
        interpreter.invoke()
        outputs, *features = (
            _dequantized(interpreter.get_tensor(output["index"])[: len(pixels)], output)
            for output in interpreter.get_output_details()
        )
        return outputs, features[0] if features else np.empty((len(pixels), 0), np.float32)

    def _interpreter(self) -> Any:
        if not hasattr(self._local, "interpreter"):
            self._local.interpreter = _new_interpreter(self._tflite, self._batch_size)
        return self._local.interpreter


def _dequantized(codes: npt.NDArray[Any], details: dict[str, Any]) -> npt.NDArray[np.float32]:
    values = codes.astype(np.float32)
    if details["dtype"] != np.float32:
        scale, zero_point = details["quantization"]
        values = (values - np.float32(zero_point)) * np.float32(scale)
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
    """For a network as a tflite.

    Args:
        model: the network.
        how: what its outputs become.
        kernel: what runs it.
    """

    def __init__(
        self, model: Network, how: Scoring = Scoring(), *, kernel: Kernel = "auto"
    ) -> None:
        super().__init__(model, how)
        self._kernel = kernel

    def load_model(self) -> Runnable:
        """Called once a worker process."""
        return load_model(
            self._model.read(),
            kernel=self._kernel,
            pixel_values=self._model.pixel_values,
            batches=self._model.batches,
        )


def load_model(
    tflite: bytes,
    *,
    kernel: Kernel = "auto",
    pixel_values: PixelValues = PixelValues(),
    batches: bool = True,
) -> Runnable:
    """Makes a network ready to run; the numbers do not depend on what runs it.

    Args:
        tflite: as in `LiteRtModel`.
        kernel: what is to run it.
        pixel_values: as in `LiteRtModel`.
        batches: as in `transforms.network.network.Network`.

    Raises:
        UsageError: the compiled kernel was asked for and cannot run it; says why.
    """
    if kernel != "python":
        try:
            if not pixel_values.are_bytes:
                raise UnsuitableError("its input is not the bytes of the pixels")
            return _native_model(tflite)
        except UnsuitableError as error:
            if kernel == "native":
                raise refused(error) from error
            _log.debug("LiteRT runs the network: %s", error)
    size = BATCH_SIZE if batches else _batch_size(tflite, pixel_values)
    return LiteRtModel(tflite, batch_size=size, pixel_values=pixel_values)


@functools.lru_cache(maxsize=1)  # a local run asks before it starts and again in its worker
def _native_model(tflite: bytes) -> native.NativeModel:
    reference = LiteRtModel(tflite, batch_size=native.CHECKED_PICTURES)
    return native.load(tflite, reference=reference)


@functools.lru_cache(maxsize=1)  # as above
def _batch_size(tflite: bytes, pixel_values: PixelValues) -> int:
    """`BATCH_SIZE` if a batch of that size gains time and gives the very numbers, else 1."""
    single, many = (
        LiteRtModel(tflite, batch_size=size, pixel_values=pixel_values) for size in (1, BATCH_SIZE)
    )
    shape = single.input_shape
    if max(shape) > _BATCHED_SIZE:
        return 1
    try:
        different = first_difference(single, many, shape=shape)
    except (RuntimeError, ValueError) as error:  # what LiteRT raises for shapes that do not fit
        different = str(error)
    if different is None:
        return BATCH_SIZE
    _log.debug("one picture at a time: %s", different)
    return 1
