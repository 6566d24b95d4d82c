"""Archives that tests make for themselves, with writers that are not ours."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.inputs.archives.members import Member, read_members
from transforms.inputs.skips import Note, Skipped
from transforms.records import Failure, ImageRef


def write_tar(path: Path, members: Sequence[tuple[str, bytes]], *, mode: str = "w") -> None:
    """An archive of regular files; mode `w:gz` compresses it."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """An archive with its members deflated."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_tfrecord(path: Path, rows: Sequence[Mapping[str, Any]], *, zipped: bool = False) -> None:
    """A TFRecord file of tf.train.Example, written by tensorflow."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path), "GZIP" if zipped else "") as writer:
        for row in rows:
            features = {key: _feature(tf, value) for key, value in row.items()}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def write_archive(path: Path, pictures: Mapping[str, bytes]) -> None:
    """Writes pictures by name to an archive of the kind that its own name tells."""
    ARCHIVE_WRITERS[path.suffix](path, pictures)


def _feature(tf: Any, value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""What `datasets` stores a picture as."""


def write_parquet(path: Path, columns: Mapping[str, Any], *, rows_a_group: int = 100) -> None:
    """A Parquet file with checksums, and each value in it once, as it is: a test can damage it."""
    table = pa.table(dict(columns))
    pq.write_table(
        table,
        path,
        row_group_size=rows_a_group,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
    )


ARCHIVE_WRITERS: Mapping[str, Callable[[Path, Mapping[str, bytes]], None]] = {
    ".tar": lambda path, pictures: write_tar(path, list(pictures.items())),
    ".zip": lambda path, pictures: write_zip(path, pictures),
    ".tfrecord": lambda path, pictures: write_tfrecord(
        path, [{"image/encoded": content} for content in pictures.values()]
    ),
    ".parquet": lambda path, pictures: write_parquet(path, {"image": list(pictures.values())}),
}
"""Extension to what packs pictures into a file of that kind: one for each kind of archive."""


A, B, C = (letter * size for letter, size in ((b"a", 700), (b"b", 1024), (b"c", 5)))


def members_of(path: Path, *, image_key: str | None = None, meta: str | None = None) -> list[Any]:
    """An archive as (member, bytes), (member or "", reason), or the name of what is skipped.

    Members with more than 2,000 bytes are too large.
    """
    found: list[Any] = []
    for item in read_members(ImageRef(str(path), meta), image_key=image_key, max_bytes=2000):
        if isinstance(item, Note):
            continue
        if isinstance(item, Skipped):
            found.append(item.path)
        elif isinstance(item, Member):
            found.append((member_name(path, item.ref.uri), item.data))
        else:
            found.append((member_name(path, item.uri), item.reason))
    return found


def member_name(path: Path, uri: str) -> str:
    assert uri.startswith(str(path))
    return uri.removeprefix(str(path)).removeprefix("#")


def metas_of(path: Path, *, meta: str | None = None) -> list[Any]:
    items = list(read_members(ImageRef(str(path), meta), image_key=None, max_bytes=2000))
    return [json.loads(item.ref.meta or "null") for item in items if isinstance(item, Member)]


def notes_of(path: Path, *, image_key: str | None = None) -> list[str]:
    """How an archive was understood."""
    items = read_members(ImageRef(str(path)), image_key=image_key, max_bytes=2000)
    return [item.what for item in items if isinstance(item, Note)]


def only_failure(path: Path) -> Failure:
    """The only failure, which is the last thing that an archive yields."""
    *others, last = read_members(ImageRef(str(path)), image_key=None, max_bytes=2000)
    assert isinstance(last, Failure)
    assert not any(isinstance(item, Failure) for item in others)
    return last
