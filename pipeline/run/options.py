"""Options of a labelling run: one frozen object, checked before any I/O, and its flags."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import re
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline.console.checks import require
from pipeline.models.hints import INPUT_RANGES, OUTPUTS, InputRange, NetworkHints
from pipeline.models.names import DEFAULT
from pipeline.run.runners.options import RunnerOptions
from transforms.errors import UsageError
from transforms.images.settings import (
    COLOURS,
    METHODS,
    VIEWS,
    Colour,
    Method,
    Preprocessing,
)
from transforms.kernel import KERNELS, Kernel
from transforms.network.scoring import Outputs, Scoring
from transforms.rows.names import FORMAT_NAMES
from transforms.storage.addresses import (
    is_utf8,
    local_path,
    shown,
    text,
    without_credentials,
    without_secrets,
)

if TYPE_CHECKING:
    from transforms.network.label_map import LabelMap

ReuseBy = Literal["uri", "sha256"]

BucketIn = Literal["region", "continent", "elsewhere"]

REUSE_BY: tuple[ReuseBy, ...] = get_args(ReuseBy)

CLASSES = 1001
"""Classes that a row names at most."""

CHANGE_ROWS = (
    "model",
    "classes",
    "outputs",
    "input_range",
    "embedding_tensor",
    "preprocess",
    "top_k",
    "views",
    "colour",
    "temperature",
    "label_map",
    "label_threshold",
    "max_pixels",
    "max_bytes",
    "image_key",
)
"""Options that decide what is in the row of a picture: `--resume` refuses rows of others."""

KEEP_ROWS = (
    "inputs",
    "output",
    "format",
    "sha256",
    "max_failure_rate",
    "overwrite",
    "resume",
    "retry_failures",
    "reuse_by",
    "kernel",
    "memory",
    "user_agent",
    "allow_private_hosts",
    "runner",
    "beam_args",
    "allow_image",
)
"""All other options: which pictures, where to, by what means. A test wants each in one of the two.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelOptions(RunnerOptions):
    """What a run labels, with what, and where the rows go.

    Attributes:
        inputs: folders, globs, input lists or files, at least one.
        output: folder for the rows.
        format: one of `transforms.rows.names.FORMAT_NAMES`.
        model: name, path, gs:// or https:// of a classifier of pictures as tflite, or the folder of
            a SavedModel.
        sha256: the hash that the model must have, or None.
        classes: file with the names of its classes, or `imagenet`; None for what it says itself.
        outputs: what it gives for each class; None for what its last operator says.
        input_range: what a float input takes; None for what the file says.
        embedding_tensor: name of the tensor with the feature vector, or `none`; None for what the
            last fully connected layer or 1x1 convolution reads.
        preprocess: one of `transforms.images.settings.METHODS`.
        top_k: classes a prediction names, 1..1001 and at most as many as there are.
        views: how often the network looks at a picture, see `transforms.images.settings.VIEWS`.
        colour: what becomes of colour profiles, one of `transforms.images.settings.COLOURS`.
        temperature: that the logits are divided by, above 0.
        label_map: table of the user's own labels, see `pipeline.labels.label_map`, or None.
        label_threshold: own labels with a smaller score are not given, 0..1.
        max_failure_rate: share of the inputs, 0..1; a run with more failures has failed.
        max_pixels: pictures with more pixels are failures.
        max_bytes: files with more bytes are failures.
        memory: bytes that the pictures of one process may take, encoded and decoded; None for a
            share of what its machine or container has, see `transforms.images.machine`.
        image_key: which part of archives is the picture, see
            `transforms.inputs.archives.members`.
        overwrite: replace a finished run in `output`.
        resume: keep the rows in `output` that are right, label only what has none.
        retry_failures: with `resume`, which it implies: try retryable failures again.
        reuse_by: what tells that a picture has a row already: uri; or sha256 too, which implies
            `resume`.
        kernel: what decodes JPEG and runs the network, see `transforms.kernel`; the rows do not
            depend on it.
        user_agent: what http(s) addresses are asked as, or None for name and version.
        allow_private_hosts: whether http(s) addresses may be those of this machine and of private
            networks.

    Raises:
        UsageError: a value that cannot work, named with what was expected.
    """

    inputs: tuple[str, ...]
    output: str
    format: str = FORMAT_NAMES[0]
    model: str = DEFAULT
    sha256: str | None = None
    classes: str | None = None
    outputs: Outputs | None = None
    input_range: InputRange | None = None
    embedding_tensor: str | None = None
    preprocess: Method = Preprocessing.method
    top_k: int = Scoring.top_k
    views: int = Scoring.views
    colour: Colour = Preprocessing.colour
    temperature: float = Scoring.temperature
    label_map: str | None = None
    label_threshold: float = 0.0
    max_failure_rate: float = 1.0
    max_pixels: int = Preprocessing.max_pixels
    max_bytes: int = Preprocessing.max_bytes
    memory: int | None = None
    image_key: str | None = None
    overwrite: bool = False
    resume: bool = False
    retry_failures: bool = False
    reuse_by: ReuseBy = "uri"
    kernel: Kernel = "auto"
    user_agent: str | None = None
    allow_private_hosts: bool = False

    def __post_init__(self) -> None:
        """Checks every value; touches no file."""
        if self.retry_failures or self.reuse_by != "uri":
            # The object is frozen; this is still its making.
            object.__setattr__(self, "resume", True)
        require(bool(self.inputs) and all(self.inputs), "--input", "a path", self.inputs)
        object.__setattr__(self, "inputs", tuple(map(local_path, self.inputs)))
        require(bool(self.output), "--output", "a folder", self.output)
        written = not self.output.lower().startswith(("http://", "https://"))
        require(written, "--output", "a folder here or in a bucket", shown(self.output))
        # Parquet's readers could not open what is in it.
        require(is_utf8(self.output), "--output", "a folder whose path is valid UTF-8", self.output)
        require(
            self.format in FORMAT_NAMES,
            "--format",
            f"one of {', '.join(FORMAT_NAMES)}",
            self.format,
        )
        require(
            self.preprocess in METHODS,
            "--preprocess",
            f"one of {', '.join(METHODS)}",
            self.preprocess,
        )
        require(self.reuse_by in REUSE_BY, "--reuse-by", "uri or sha256", self.reuse_by)
        require(self.kernel in KERNELS, "--kernel", f"one of {', '.join(KERNELS)}", self.kernel)
        require(1 <= self.top_k <= CLASSES, "--top-k", f"a number from 1 to {CLASSES}", self.top_k)
        _ = self.hints  # checks its values
        require(self.views in VIEWS, "--views", "1, 2 or 4", self.views)
        require(self.colour in COLOURS, "--colour", "managed or ignore", self.colour)
        crops = self.views < 4 or not self.preprocess.startswith("stretch")
        require(crops, "--views 4", "a --preprocess that crops, eval or slim", self.preprocess)
        require(
            0 < self.temperature < math.inf,
            "--temperature",
            "a number above 0",
            self.temperature,
        )
        require(self.label_map != "", "--label-map", "a file", self.label_map)
        require(
            0 <= self.label_threshold <= 1,
            "--label-threshold",
            "a score from 0 to 1",
            self.label_threshold,
        )
        if self.label_threshold and self.label_map is None:
            raise UsageError("--label-threshold: it is that of --label-map, which is missing")
        require(
            0 <= self.max_failure_rate <= 1,
            "--max-failure-rate",
            "a share from 0 to 1",
            self.max_failure_rate,
        )
        require(self.max_pixels > 0, "--max-pixels", "a positive number", self.max_pixels)
        require(self.max_bytes > 0, "--max-bytes", "a positive number", self.max_bytes)
        require(
            self.memory is None or self.memory > 0, "--memory", "a positive number", self.memory
        )
        agent = self.user_agent is None or re.fullmatch("[!-~]([ -~]*[!-~])?", self.user_agent)
        require(bool(agent), "--user-agent", "a name in printable ASCII", self.user_agent)
        named = self.image_key is None or self.image_key == text(self.image_key) != ""
        require(named, "--image-key", "a name in UTF-8", self.image_key)

    @property
    def hints(self) -> NetworkHints:
        """What the user says of the network."""
        return NetworkHints(
            classes=self.classes,
            outputs=self.outputs,
            input_range=self.input_range,
            embedding_tensor=self.embedding_tensor,
        )

    def for_network(self, classes: int) -> LabelOptions:
        """The same with no more classes a prediction than the network has.

        Raises:
            UsageError: the user asked for more.
        """
        if self.top_k <= classes:
            return self
        if not classes:
            require(self.top_k == Scoring.top_k, "--top-k", "none: it has no classes", self.top_k)
            return self
        require(
            self.top_k == Scoring.top_k,
            "--top-k",
            f"a number from 1 to {classes}, the classes of the network",
            self.top_k,
        )
        return dataclasses.replace(self, top_k=classes)

    def preprocessing(self, *, size: int, columns: int | None = None) -> Preprocessing:
        """How the pictures are loaded, for a network with an input of `size` x `size` pixels.

        Args:
            size: rows and columns.
            columns: of an input that is no square, else None.
        """
        return Preprocessing(
            method=self.preprocess,
            size=size,
            columns=columns,
            views=self.views,
            colour=self.colour,
            max_pixels=self.max_pixels,
            max_bytes=self.max_bytes,
        )

    def scoring(self, label_map: LabelMap | None) -> Scoring:
        """What the logits become; `label_map` is what the file of that name says."""
        return Scoring(
            top_k=self.top_k,
            views=self.views,
            temperature=self.temperature,
            label_map=label_map,
        )

    def use_for_storage(self) -> None:
        """Reads in this process, which has no pipeline, as a run would."""
        if self.user_agent is None and not self.allow_private_hosts:
            return  # what follows imports Beam
        from transforms.storage.http_options import use

        use(user_agent=self.user_agent, allow_private_hosts=self.allow_private_hosts)

    def flags_of_storage(self) -> list[str]:
        """What every worker must know of how to read, as flags for Beam."""
        from transforms.storage.http_options import as_flags

        return as_flags(user_agent=self.user_agent, allow_private_hosts=self.allow_private_hosts)

    @property
    def is_here(self) -> bool:
        """Whether the run happens on this machine and all that its flags name is there."""
        paths = (*self.inputs, self.output, self.model, self.label_map or "", self.classes or "")
        return self.is_local and not any("://" in path for path in paths)

    def for_manifest(self) -> LabelOptions:
        """The same with absolute paths and without secrets (`transforms.storage.addresses`)."""
        from transforms.storage.files import absolute

        return dataclasses.replace(
            self,
            inputs=tuple(text(without_credentials(absolute(source))) for source in self.inputs),
            model=text(shown(_absolute_model(self.model))),
            label_map=self.label_map and text(self.label_map),
            classes=self.classes and text(shown(self.classes)),
            embedding_tensor=self.embedding_tensor and text(self.embedding_tensor),
            beam_args=tuple(map(text, without_secrets(self.beam_args))),
        )


def _absolute_model(model: str) -> str:
    """A file or folder of this machine as it reads from any other; names stay as they are."""
    path = os.path.expanduser(model)
    return os.path.abspath(path) if "://" not in model and os.path.exists(path) else model


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What to plan.

    Attributes:
        label: the run that is planned; its output folder is not touched.
        prices: file whose values replace those of our table of prices, or None.
        price: of one vCPU-hour on Dataflow, instead of the table's, or None.
        machine_type: of the workers.
        max_workers: machines at a time.
        bucket_in: where the pictures are, seen from the workers: in their region, elsewhere on the
            continent, or elsewhere.

    Raises:
        UsageError: a value that cannot be.
    """

    label: LabelOptions
    prices: str | None = None
    price: float | None = None
    machine_type: str = "e2-standard-2"
    max_workers: int = 50
    bucket_in: BucketIn = "region"

    def __post_init__(self) -> None:
        """Checks the values; touches no file."""
        require(self.prices != "", "--prices", "a file", self.prices)
        usable = self.price is None or 0 < self.price < math.inf
        require(usable, "--price", "a positive number", self.price)
        require(self.machine_type != "", "--machine-type", "the name of one", self.machine_type)
        require(self.max_workers > 0, "--max-workers", "a positive number", self.max_workers)
        places = get_args(BucketIn)
        require(self.bucket_in in places, "--bucket-in", " or ".join(places), self.bucket_in)


# ---- flags --------------------------------------------------------------------------------------


def add_data(parser: argparse.ArgumentParser) -> Any:
    """Adds `--input` and `--format`; returns the group for more."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--input",
        dest="inputs",
        action="append",
        required=True,
        metavar="PATH",
        help="folder (searched for pictures and archives, sub-folders included), glob in quotes "
        "(** included), input list (.txt, .csv, .tsv, .jsonl or .parquet with a column uri), "
        "picture, or archive of pictures (.tar, compressed or not, .zip, .tfrecord, .parquet with "
        "bytes); braces as in part-{000..010}.tar; also gs://, s3:// and, one picture, list or "
        "archive each, http(s)://; repeatable",
    )
    data.add_argument(
        "--user-agent",
        metavar="NAME",
        help="what http(s) addresses are asked as (default: quantlabel and its version); name "
        "somebody who can be written to",
    )
    data.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="read http(s) addresses of this machine and of private networks too",
    )
    data.add_argument(
        "--image-key",
        metavar="NAME",
        help="feature of TFRecords (default: image/encoded) or column of Parquet (default: the "
        "only one with pictures) that holds the encoded pictures; of members of tar and zip what "
        "follows the first dot of their names, such as jpg, or several: jpg;png",
    )
    data.add_argument(
        "--format",
        choices=FORMAT_NAMES,
        help=f"of the predictions (default: {LabelOptions.format})",
    )
    return data


def add_network(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say which network looks at pictures, and how."""
    network = parser.add_argument_group("network")
    network.add_argument(
        "--model",
        metavar="MODEL",
        help="name, path, gs:// or https:// of a classifier of pictures as tflite, or the folder "
        "of a TensorFlow 2 SavedModel, or folder, tar or address of a hub module (default: "
        f"{LabelOptions.model})",
    )
    network.add_argument("--sha256", metavar="HEX", help="the hash that the model must have")
    network.add_argument(
        "--classes",
        metavar="FILE",
        help="names of the network's classes: one a line, or `0 name`, or index,name; or imagenet "
        "(default: those in the file's metadata, or in labels.txt beside it)",
    )
    network.add_argument(
        "--outputs",
        choices=OUTPUTS,
        help="what the network gives for each class, or features: it has none, and gives feature "
        "vectors (default: by its last operator)",
    )
    network.add_argument(
        "--input-range",
        choices=INPUT_RANGES,
        help="what a float input takes: byte, 0 to 255; unit, 0 to 1; symmetric, -1 to 1 (default: "
        "what metadata or first operators say, else symmetric)",
    )
    network.add_argument(
        "--embedding-tensor",
        metavar="NAME",
        help="the tensor that becomes the feature vector, or none (default: what the last fully "
        "connected layer or 1x1 convolution reads)",
    )
    network.add_argument(
        "--preprocess",
        choices=METHODS,
        help="eval: central square, as the network was measured; slim: central part, aspect not "
        "kept; stretch: whole picture; stretch-nearest: the same without a filter (default: "
        f"{LabelOptions.preprocess})",
    )
    network.add_argument(
        "--top-k",
        type=int,
        metavar="K",
        help=f"classes a prediction names (default: {LabelOptions.top_k})",
    )
    network.add_argument(
        "--views",
        type=int,
        choices=VIEWS,
        help="looks at each picture: 1; 2, at its mirror image too; or 4, at both in two crops; "
        "more of them cost inference, not decoding, and label better (default: "
        f"{LabelOptions.views})",
    )
    network.add_argument(
        "--colour",
        choices=COLOURS,
        help="what becomes of colour profiles that are not sRGB: managed, the picture is converted "
        "by them, as browsers do; ignore, nothing, as in the network's own evaluation (default: "
        f"{LabelOptions.colour})",
    )
    network.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="divides the logits, so that scores mean what they say; quantlabel evaluate finds "
        f"it (default: {LabelOptions.temperature:g})",
    )
    network.add_argument(
        "--kernel",
        choices=KERNELS,
        help="what decodes JPEG and runs the network: the compiled kernel, if it is installed; the "
        "packages in Python; or auto, the faster of them that can. The rows are the same (default: "
        f"{LabelOptions.kernel})",
    )


def add_limits(parser: argparse.ArgumentParser) -> Any:
    """Adds the limits of a picture; returns their group for more."""
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help=f"pictures with more pixels are failures (default: {LabelOptions.max_pixels:,})",
    )
    limits.add_argument(
        "--max-bytes",
        type=int,
        metavar="N",
        help=f"files with more bytes are failures (default: {LabelOptions.max_bytes:,})",
    )
    return limits


def label_options(arguments: argparse.Namespace, **values: str) -> LabelOptions:
    """A flag that was not given is absent here: its default stands in LabelOptions alone."""
    # Flags of other commands, and what argparse adds, have no field and fall away.
    given = {**values, **vars(arguments), "inputs": tuple(arguments.inputs)}
    names = {field.name for field in dataclasses.fields(LabelOptions)} & given.keys()
    return LabelOptions(**{name: given[name] for name in names})
