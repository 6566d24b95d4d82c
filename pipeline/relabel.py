"""Single pictures labelled as a finished run labelled its own."""

from __future__ import annotations

from pipeline.finished import FinishedRun
from pipeline.network import load_network
from transforms.decode import Scratch
from transforms.errors import UserError
from transforms.infer import model_handler
from transforms.loader import Loader
from transforms.records import Failure, Image, ImageRef, Model, Prediction


class Relabeller:
    """The network, preprocessing and options of a run, for one picture at a time.

    Args:
        run: whose rows the new ones are compared with.
        model: where the model is now, or None for where the run found it.

    Raises:
        UserError: the run's model cannot be had any more, or is another one now.
    """

    def __init__(self, run: FinishedRun, *, model: str | None = None) -> None:
        options = run.manifest["options"]
        network = _network(model or options["model"], expected=run.manifest["model"]["sha256"])
        self._loader = Loader(
            size=network.input_size,
            method=options["preprocess"],
            views=options["views"],
            max_pixels=options["max_pixels"],
            max_bytes=options["max_bytes"],
        )
        self._handler = model_handler(
            network,
            top_k=options["top_k"],
            views=options["views"],
            temperature=options["temperature"],
        )
        self._network = self._handler.load_model()
        self._scratch = Scratch()

    def __call__(self, uri: str) -> Prediction | Failure:
        """Reads and labels a picture, local or remote."""
        found = self._loader.read(ImageRef(uri), reserve=lambda _: None)
        if isinstance(found, Failure):
            return found
        image: Image | Failure = self._loader.decode(*found, scratch=self._scratch)
        if isinstance(image, Failure):
            return image
        (result,) = self._handler.run_inference([image], self._network)
        return result

    def prediction(self, uri: str) -> Prediction:
        """The same for a picture that must be good.

        Raises:
            UserError: it cannot be read, decoded or labelled.
        """
        result = self(uri)
        if isinstance(result, Failure):
            raise UserError(f"{uri}: {result.reason}, {result.message}. Expected a picture.")
        return result


def _network(model: str, *, expected: str) -> Model:
    network = load_network(model)
    if network.sha256 != expected:
        raise UserError(
            f"{model} is not the model of the run: its sha256 is {network.sha256}, {expected} in "
            "the manifest. Put that model there again, or name the place where it is now."
        )
    return network
