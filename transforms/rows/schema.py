"""The schema of a row: one declaration for each column, and everything that follows from it.

Arrow schemas, keys of TFRecord, JSON, Beam YAML's types and the table of the documentation are
derived from `PREDICTION_COLUMNS` and `FAILURE_COLUMNS`; the page of the documentation adds the
words, and is not built without them. A new column takes one entry here, a field
of the record in `transforms/records.py`, and whoever computes it. It states the schema version that
it comes with and is nullable, so that rows of earlier versions stay readable.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from transforms.records import Failure, Prediction
from transforms.storage.addresses import text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a row.

    Attributes:
        name: of the column, of the record's field and of the key in JSON.
        type: in Arrow. A fixed-size list stands for one as long as the network's feature vector; in
            rows of a network without one it is a list, always empty.
        nullable: whether there are rows without a value.
        of_imagenet: whether rows of classes that are not ImageNet's have no value either.
        of_classes: whether rows of a network without classes have no value either.
        feature: key in a tf.train.Example, where TF-Slim has one; else it follows from the name.
        since: schema version that the column came with.
    """

    name: str
    type: pa.DataType
    nullable: bool = False
    of_imagenet: bool = False
    of_classes: bool = False
    feature: str | None = None
    since: int = 1

    @property
    def is_list(self) -> bool:
        """Whether a row has several values."""
        return bool(pa.types.is_list(self.type) or pa.types.is_fixed_size_list(self.type))

    @property
    def value_type(self) -> pa.DataType:
        """The type of one value."""
        return self.type.value_type if self.is_list else self.type

    @property
    def key(self) -> str:
        """The key in a tf.train.Example; `image/class/*` stays free for truth."""
        return self.feature or f"image/prediction/{self.name}"

    @property
    def is_required(self) -> bool:
        """Whether every row of every network has a value."""
        return not (self.nullable or self.of_imagenet or self.of_classes)

    def field(
        self, feature_size: int, *, own_classes: bool = False, no_classes: bool = False
    ) -> pa.Field:
        """The column in an Arrow schema, see `prediction_schema`."""
        type_ = self.type
        if pa.types.is_fixed_size_list(type_):
            # Parquet's reader cannot read back what its writer makes of lists fixed at 0 values.
            type_ = pa.list_(self.value_type, feature_size or -1)
        nullable = (
            self.nullable
            or (own_classes and self.of_imagenet)
            or (no_classes and (self.of_imagenet or self.of_classes))
        )
        return pa.field(self.name, type_, nullable=nullable)


# Which picture it was, in every kind of row.
_URI = Column(name="uri", type=pa.string(), feature="image/source_id")
_PICTURE = (
    Column(name="size", type=pa.int64(), nullable=True, feature="image/size"),
    Column(name="version", type=pa.string(), nullable=True, feature="image/version"),
    Column(name="meta", type=pa.string(), nullable=True, feature="image/meta"),
)

PREDICTION_COLUMNS = (
    _URI,
    Column(name="sha256", type=pa.string(), feature="image/key/sha256"),
    Column(name="width", type=pa.int32(), feature="image/width"),
    Column(name="height", type=pa.int32(), feature="image/height"),
    Column(name="format", type=pa.string(), feature="image/format"),
    Column(name="class_id", type=pa.int32(), of_classes=True),
    Column(name="synset", type=pa.string(), of_imagenet=True),
    Column(name="label", type=pa.string(), of_classes=True),
    Column(name="score", type=pa.float32(), of_classes=True),
    Column(name="top_class_ids", type=pa.list_(pa.int32())),
    Column(name="top_labels", type=pa.list_(pa.string())),
    Column(name="top_scores", type=pa.list_(pa.float32())),
    # Never null: a null in a fixed-size list makes a Parquet file unreadable for several readers.
    Column(name="embedding", type=pa.list_(pa.float32(), 256), feature="image/feature_vector"),
    Column(name="mapped_label", type=pa.string(), nullable=True),
    Column(name="mapped_score", type=pa.float32(), nullable=True),
    *_PICTURE,
    Column(name="colour", type=pa.string(), nullable=True, since=2),
)

FAILURE_COLUMNS = (
    _URI,
    Column(name="stage", type=pa.string()),
    Column(name="reason", type=pa.string()),
    Column(name="message", type=pa.string()),
    Column(name="retryable", type=pa.bool_()),
    *_PICTURE,
)

ROW_SCHEMA_VERSION = max(column.since for column in (*PREDICTION_COLUMNS, *FAILURE_COLUMNS))
"""Of the columns, apart from the version of the package. It grows when a column is added: readers
take rows of earlier versions, which lack the column, and refuse those of later ones."""

_VERSION_KEY = "quantlabel.row_schema_version"
VERSION_METADATA: Mapping[str, str] = {_VERSION_KEY: str(ROW_SCHEMA_VERSION)}
"""In the schema of every Parquet and Arrow file."""


def version_of(schema: pa.Schema) -> int:
    """The schema version of a file; 1 if it says nothing, as files of quantlabel 0.1.0."""
    found = (schema.metadata or {}).get(_VERSION_KEY.encode(), b"1")
    return int(found)


def prediction_schema(
    feature_size: int,
    *,
    own_classes: bool = False,
    no_classes: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> pa.Schema:
    """The columns of predictions.

    Args:
        feature_size: length of the embedding, 0 without one.
        own_classes: whether the classes are not ImageNet's.
        no_classes: whether there are none.
        metadata: stored with the schema, and so in every Parquet file.
    """
    fields = [
        column.field(feature_size, own_classes=own_classes, no_classes=no_classes)
        for column in PREDICTION_COLUMNS
    ]
    return pa.schema(fields, metadata={**(metadata or {}), **VERSION_METADATA})


FAILURE_SCHEMA = pa.schema(
    [column.field(0) for column in FAILURE_COLUMNS], metadata=dict(VERSION_METADATA)
)


def prediction_table(
    rows: Sequence[Prediction], *, metadata: Mapping[str, str] | None = None
) -> pa.Table:
    """Predictions, at least one, as a table with `prediction_schema`."""
    first = rows[0]
    schema = prediction_schema(
        len(first.embedding),
        own_classes=first.synset is None,
        no_classes=first.class_id is None,
        metadata=metadata,
    )
    columns = dict(zip(Prediction._fields, zip(*rows, strict=True), strict=True))
    embedding = schema.field("embedding").type
    vectors = np.stack(columns.pop("embedding"))
    arrays = {
        "uri": pa.array([text(uri) for uri in columns.pop("uri")], pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), vectors.shape[1])
        if vectors.shape[1]
        else pa.array([[]] * len(rows), embedding),
        **{name: pa.array(values, schema.field(name).type) for name, values in columns.items()},
    }
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)


def failure_table(rows: Sequence[Failure]) -> pa.Table:
    """Failures, at least one, as a table with `FAILURE_SCHEMA`."""
    columns = dict(zip(Failure._fields, zip(*rows, strict=True), strict=True))
    columns["uri"] = tuple(text(uri) for uri in columns["uri"])
    arrays = [pa.array(columns[field.name], field.type) for field in FAILURE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=FAILURE_SCHEMA)


def with_columns(table: pa.Table, columns: Iterable[Column]) -> pa.Table:
    """The same rows with these columns in this order; those that came later than the rows are null.

    Args:
        table: of a file of this or an earlier schema version.
        columns: which; each that is not nullable is there.
    """
    arrays, fields = [], []
    for column in columns:
        there = column.name in table.column_names
        field = table.schema.field(column.name) if there else column.field(0)
        fields.append(field)
        arrays.append(table.column(column.name) if there else pa.nulls(table.num_rows, column.type))
    return pa.table(arrays, schema=pa.schema(fields, metadata=table.schema.metadata))
