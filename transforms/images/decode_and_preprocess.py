"""DecodeAndPreprocess: pictures that a pipeline has as bytes, wherever it took them from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple, Unpack

import apache_beam as beam

from transforms.failures import Stage, failure
from transforms.images.load_and_preprocess import FAILURES, LoadsAhead, tagged
from transforms.images.loader import Loader
from transforms.images.settings import Preprocessing, PreprocessingChanges
from transforms.inputs.archives.base import too_large
from transforms.inputs.archives.members import Member
from transforms.kernel import Kernel
from transforms.records import Failure, Image, ImageRef


class DecodeResult(NamedTuple):
    """What `DecodeAndPreprocess` returns.

    Attributes:
        images: PCollection[Image], pixels uint8[size, size, 3].
        failures: PCollection[Failure], stages read (of too many bytes) and decode.
    """

    images: beam.PCollection[Image]
    failures: beam.PCollection[Failure]


class DecodeAndPreprocess(beam.PTransform):  # type: ignore[misc]
    """Decodes and resamples pictures given as pairs `(uri, bytes)`.

    Every pair becomes one Image or one Failure. The uri is only a name, nothing is read there. The
    input must be in the global window, as that of `LoadAndPreprocess`.

    Args:
        how: method, size and so on.
        memory: as in `LoadAndPreprocess`.
        processes: as in `LoadAndPreprocess`.
        kernel: as in `LoadAndPreprocess`.
        changed: fields of `how` that shall be others: `DecodeAndPreprocess(size=160)`.
    """

    def __init__(
        self,
        how: Preprocessing = Preprocessing(),
        *,
        memory: int | None = None,
        processes: int | None = 1,
        kernel: Kernel = "auto",
        **changed: Unpack[PreprocessingChanges],
    ) -> None:
        super().__init__()
        self.how = dataclasses.replace(how, **changed)
        self.memory = memory
        self.processes = processes
        self.kernel = kernel

    def expand(self, pairs: beam.PCollection[tuple[str, bytes]]) -> DecodeResult:
        """Builds the graph: one ParDo with two outputs."""
        if not pairs.windowing.is_default():
            raise ValueError("DecodeAndPreprocess expects its input in the global window")
        decode = beam.ParDo(_Decode(Loader(self.how, self.kernel), self.memory, self.processes))
        decoded = pairs | "Decode" >> decode.with_outputs(FAILURES, main="images")
        return DecodeResult(decoded.images, decoded[FAILURES])


class _Decode(LoadsAhead):
    def process(self, pair: tuple[Any, Any]) -> Iterator[Any]:
        uri, data = pair  # of somebody else's pipeline
        if not isinstance(uri, str) or not isinstance(data, bytes):
            found = f"({type(uri).__name__}, {type(data).__name__})"
            raise TypeError(f"DecodeAndPreprocess: expected pairs (str, bytes), found {found}")
        ref = ImageRef(uri, size=len(data))
        if len(data) > self._loader.how.max_bytes:
            cause = too_large(len(data), limit=self._loader.how.max_bytes)
            yield tagged(failure(ref, Stage.READ, cause))
        else:
            yield from self._add(self._pool.submit_member(self._loader, Member(ref, data)))
