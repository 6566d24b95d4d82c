"""Single pictures labelled as a finished run labelled its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from pipeline.models.hints import NetworkHints
from pipeline.models.load import load_network
from pipeline.run.folder.manifest import Manifest
from transforms.errors import UserError
from transforms.images.loader import Loader
from transforms.images.pixels import Scratch
from transforms.inputs.archives.members import Member, named_archive, read_named
from transforms.network.classify_images import model_handler
from transforms.network.network import Network
from transforms.records import Failure, Image, ImageRef, Prediction


class Relabeller:
    """The network, preprocessing and options of a run, for one picture at a time.

    Args:
        manifest: of the run.
        model: where the model is now, or None for where the run found it.

    Raises:
        UserError: the run's model cannot be had any more, or is another one now.
    """

    def __init__(self, manifest: Manifest, *, model: str | None = None) -> None:
        # The manifest holds the classes: the file that named them may be gone.
        hints = dataclasses.replace(manifest.options.hints, classes=manifest.model.classes)
        network = _network(model or manifest.options.model, hints, manifest.model.sha256)
        self._loader = Loader(manifest.preprocess)
        self._image_key = manifest.options.image_key
        self._handler = model_handler(network, manifest.scoring)
        self._network = self._handler.load_model()
        self._scratch = Scratch()

    def __call__(self, uri: str) -> Prediction | Failure:
        """Reads and labels a picture, local or remote."""
        found = self._loader.read(ImageRef(uri), reserve=lambda _: None)
        return found if isinstance(found, Failure) else self._label(*found)

    def of_bytes(self, data: bytes) -> Prediction | Failure:
        """Labels the content of a picture file, of which no name is known."""
        return self._label(ImageRef("picture"), data)

    def members(self, archive: str, uris: Sequence[str]) -> Iterator[Prediction | Failure]:
        """Reads and labels members of an archive, in one pass up to the last of them."""
        found = read_named(
            archive,
            [ImageRef(uri) for uri in uris],
            image_key=self._image_key,
            max_bytes=self._loader.how.max_bytes,
        )
        for member in found:
            if isinstance(member, Member):
                yield self._label(member.ref, member.data, orientation=member.orientation)
            else:  # a reference is an object that only looks like a member
                yield member if isinstance(member, Failure) else self(member.uri)

    def _label(self, ref: ImageRef, data: bytes, *, orientation: int = 1) -> Prediction | Failure:
        image: Image | Failure = self._loader.decode(
            ref, data, scratch=self._scratch, orientation=orientation
        )
        if isinstance(image, Failure):
            return image
        # One at a time: a row must not depend on its company.
        (result,) = self._handler.run_inference([image], self._network)
        return result

    def prediction(self, uri: str) -> Prediction:
        """The same for a picture, or a member of an archive, that must be good.

        Raises:
            UserError: it cannot be read, decoded or labelled.
        """
        archive = named_archive(ImageRef(uri))
        result = self(uri) if archive is None else next(self.members(archive, [uri]))
        if isinstance(result, Failure):
            raise UserError(f"{uri}: {result.reason}, {result.message}. Expected a picture.")
        return result


def _network(model: str, hints: NetworkHints, expected: str) -> Network:
    network = load_network(model, hints=hints)
    if network.sha256 != expected:
        raise UserError(
            f"{model} is not the model of the run: its sha256 is {network.sha256}, {expected} in "
            "the manifest. Put that model there again, or name the place where it is now."
        )
    return network
