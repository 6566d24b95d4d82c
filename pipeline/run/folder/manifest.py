"""What `_MANIFEST.json` says, typed: the only reader and the only writer of it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pipeline.run.folder import typed_json
from pipeline.run.options import LabelOptions
from transforms.errors import UserError
from transforms.images.settings import Preprocessing
from transforms.inputs.skips import Count
from transforms.network.classes import Classes, imagenet
from transforms.network.label_map import LabelMap
from transforms.network.network import NetworkKind
from transforms.network.scoring import Outputs, Scoring
from transforms.resume.row_values import Made
from transforms.rows.kinds import ANY_KIND
from transforms.rows.names import FAILURES_FOLDER, MANIFEST
from transforms.rows.shards import Shard
from transforms.storage import files

FORM = 1
"""Of the manifest itself. Goes up when an older reader would misunderstand what it says; a key that
it may pass over does not change it. Version 0.1.0 wrote form 1 without saying so."""

_CURE = "Put back the file that was there, or label again with --overwrite."

_T = TypeVar("_T")

_SHARD = re.compile(rf"({FAILURES_FOLDER}/)?({ANY_KIND})-[^/]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """Which network made the rows; attributes as in `transforms.network.network.Network`.

    Runs of before there were other networks than the published ones say nothing of the last five.
    `pixel_values` is in words.
    """

    name: str
    kind: NetworkKind
    sha256: str
    input_size: int
    feature_size: int
    classes: Classes = dataclasses.field(default_factory=imagenet)
    outputs: Outputs = "logits"
    embedding_tensor: str = ""
    pixel_values: str = ""
    input_columns: int | None = None

    @property
    def input_in_words(self) -> str:
        """Rows and columns of the input."""
        return f"{self.input_size}x{self.input_columns or self.input_size}"

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**values, "classes": self.classes.as_dict()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What is known of a run when it begins. An attempt keeps it in its `_RUN.json`.

    Attributes:
        form: of the manifest, see `FORM`.
        row_values: see `transforms._version.ROW_VALUES`. Version 0.1.0 wrote 1 without saying so.
        version: of quantlabel.
        started: ISO 8601, UTC.
        model: that labels.
        preprocess: how the pictures are loaded. Limits, colour and quality are not in this part of
            the JSON but among the options.
        label_map: or None.
        options: as `LabelOptions.for_manifest` has them.
        kernel: what decoded and ran the network, for people; empty if a service chose.
    """

    form: int = FORM
    row_values: int = 1
    version: str
    started: str
    model: Model
    preprocess: Preprocessing
    label_map: LabelMap | None
    options: LabelOptions
    kernel: str = ""

    def __post_init__(self) -> None:
        """Checks what types do not say."""
        _require_time("started", self.started)
        # The JSON has these among the options only; here they belong to both.
        options = {
            field.name: getattr(self.options, field.name)
            for field in dataclasses.fields(Preprocessing)
            if field.name not in self.preprocess.as_dict() and hasattr(self.options, field.name)
        }
        object.__setattr__(self, "preprocess", dataclasses.replace(self.preprocess, **options))
        if 0 < len(self.model.classes) < self.options.top_k:
            raise ValueError(f"options.top_k: {self.options.top_k} of {len(self.model.classes)}")
        if self.label_map and len(self.label_map.of_class) > len(self.model.classes):
            last = len(self.label_map.of_class) - 1
            raise ValueError(f"label_map.labels: {last} is no id of a class")

    @property
    def scoring(self) -> Scoring:
        """What the logits became."""
        return self.options.scoring(self.label_map)

    @property
    def made(self) -> Made:
        """How the rows are made, as far as later releases may have to know."""
        return Made(self.row_values, self.preprocess.method, self.preprocess.size)

    @property
    def schema_metadata(self) -> dict[str, str]:
        """What every Parquet file of the run says of its origin."""
        return {
            "quantlabel.version": self.version,
            "quantlabel.model": self.model.name,
            "quantlabel.model_sha256": self.model.sha256,
            "quantlabel.preprocess": json.dumps(self.preprocess.as_dict()),
            "quantlabel.options": json.dumps(dataclasses.asdict(self.options)),
        }

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**_plain(self)}


@dataclasses.dataclass(frozen=True)
class Frequent:
    """A class and how many pictures it is the first of."""

    class_id: int
    label: str
    count: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest(Identity):
    """A run that has ended.

    Attributes:
        finished: ISO 8601, UTC.
        status: whether it has failed as a whole.
        inputs: pictures, each listed path once.
        predictions: rows of this kind.
        failures: rows of this kind.
        failures_by_reason: sorted by reason.
        duplicates: paths that were listed before.
        skipped: files of folders that are no input.
        skipped_by_kind: the same by kind, see `transforms.inputs.skips`; nothing in manifests from
            before there were kinds.
        read_as: how lists and archives were understood where they left it open, in words: of how
            many, and one of them.
        reused: rows of earlier runs.
        most_frequent_labels: the first ones.
        files: the shards.
        discarded: paths of files of earlier runs that were damaged.
        error: why it has failed, or None.
    """

    finished: str
    status: Literal["succeeded", "failed"] = "succeeded"
    inputs: int
    predictions: int
    failures: int
    failures_by_reason: Mapping[str, int]
    duplicates: int
    skipped: int
    reused: int
    most_frequent_labels: tuple[Frequent, ...]
    files: tuple[Shard, ...]
    discarded: tuple[str, ...]
    skipped_by_kind: Mapping[str, Count] = dataclasses.field(default_factory=dict)
    read_as: Mapping[str, Count] = dataclasses.field(default_factory=dict)
    error: str | None = None

    def __post_init__(self) -> None:
        """Checks what types do not say."""
        super().__post_init__()
        _require_time("finished", self.finished)
        # What is read here is joined to a folder and opened: no name may lead elsewhere.
        for shard in self.files:
            if not _SHARD.fullmatch(shard.name):
                raise ValueError(f"files: {shard.name!r} is no name of a shard")

    @property
    def seconds(self) -> float:
        """How long it took."""
        started, finished = map(datetime.datetime.fromisoformat, (self.started, self.finished))
        return (finished - started).total_seconds()

    def cited(self) -> dict[str, Any]:
        """How files that are made from a run name it."""
        return {
            "started": self.started,
            "model": self.model.as_dict(),
            "preprocess": self.preprocess.as_dict(),
        }

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it; `error` only if there is one."""
        content = {**_plain(self)}
        if self.error is None:
            del content["error"]
        return content


def read_manifest(folder: str) -> Manifest:
    """The manifest of a run.

    Raises:
        FileNotFoundError: the folder has none.
        UserError: it is damaged, not ours, or of a newer version.
    """
    path = files.join(folder, MANIFEST)
    return parse(files.read_bytes(path), path)


def parse(content: bytes, path: str) -> Manifest:
    """The same of a manifest that was read already."""
    return from_json(Manifest, content, path)


def from_json(kind: type[_T], content: bytes, path: str, *, cure: str = _CURE) -> _T:
    """A `Manifest`, an `Identity`, or what else holds one.

    Args:
        kind: of the result.
        content: as it was read.
        path: for messages.
        cure: what its owner can do if it is damaged.

    Raises:
        UserError: it is not what quantlabel writes.
    """
    try:
        value = typed_json.loads(content)
        _require_known_form(value, path)
        return typed_json.build(kind, _with_colour(value))
    except ValueError as error:
        raise UserError(
            f"{path}: damaged, or not written by this program ({error}). {cure}"
        ) from error


def _with_colour(value: Any) -> Any:
    """What runs have done that do not speak of colour profiles: nothing."""
    if not isinstance(value, dict):
        return value
    if "manifest" in value:
        return {**value, "manifest": _with_colour(value["manifest"])}
    options = value.get("options")
    if not isinstance(options, dict):
        return value
    return {**value, "options": {"colour": "ignore", **options}}


def _require_known_form(value: Any, path: str) -> None:
    # `_COMMIT.json` holds a manifest inside.
    manifest = value.get("manifest", value) if isinstance(value, dict) else value
    form = manifest.get("form", FORM) if isinstance(manifest, dict) else FORM
    if isinstance(form, int) and form > FORM:
        raise UserError(
            f"{path}: written by a newer quantlabel (form {form}, this one knows {FORM}). Update "
            "it: pip install --upgrade quantlabel"
        )


def as_json(content: Mapping[str, Any]) -> bytes:
    """For people to read as well."""
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()


def now() -> str:
    """The time in UTC, as manifests have it: ISO 8601 to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _require_time(name: str, value: str) -> None:
    if datetime.datetime.fromisoformat(value).tzinfo is None:
        raise ValueError(f"{name}: {value!r} has no time zone")


def _plain(value: Any) -> Any:
    """Dataclasses and named tuples as dictionaries, at any depth."""
    if isinstance(value, (LabelMap, Preprocessing, Model)):
        return value.as_dict()
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
