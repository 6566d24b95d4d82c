"""Anything at all as a list, an archive, a folder or an answer: rows, failures, or one line.

The large runs are among the slow tests.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import shutil
import socket
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.retries import standard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.archives import write_tfrecord, write_zip
from transforms import outage
from transforms.errors import UserError
from transforms.inputs.archives.members import read_members, uri_of
from transforms.inputs.input_lists import list_rows
from transforms.inputs.listing import list_input
from transforms.inputs.skips import Listed, Note, Skipped
from transforms.records import Failure, ImageRef
from transforms.storage import files, gcs, gcs_read, http_client, http_options, s3
from transforms.storage.addresses import text

PNG = b"\x89PNG\r\n\x1a\n"

few_and_many = pytest.mark.parametrize("count", [80, pytest.param(2_000, marks=pytest.mark.slow)])


def _check(count: int, strategy: st.SearchStrategy[Any], holds: Callable[[Any], None]) -> None:
    """Holds a property against examples, always the same ones."""

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example: Any) -> None:
        holds(example)

    run()


@contextlib.contextmanager
def _one_line(start: str) -> Iterator[None]:
    """Lets a `UserError` pass that begins as it should."""
    try:
        yield
    except UserError as error:
        said = str(error)
    else:
        return
    assert said.startswith(start)


def _require_outcome(item: object) -> None:
    assert isinstance(item, (ImageRef, Failure, Skipped, Note))
    if isinstance(item, Skipped | Note):
        return
    text(item.uri).encode()
    json.loads((item.meta or "{}").encode())
    if isinstance(item, Failure):
        assert item.message.isprintable()
        assert "\n" not in item.message


# ---- lists --------------------------------------------------------------------------------------

_CELL = st.text(st.sampled_from('ab/:@?#[]{}",;\\\r\n\t\0 \ud800\u20ac=%'), max_size=8)
_LINES = st.lists(st.lists(_CELL, max_size=4), max_size=8).map(
    lambda rows: "\n".join(",".join(cells) for cells in rows).encode("utf-8", "surrogatepass")
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _CELL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_CELL, inner, max_size=3),
)
_JSON_LINES = st.lists(
    st.builds(lambda uri, more: json.dumps({"uri": uri, "more": more}), _CELL, _JSON), max_size=5
).map(lambda lines: "\n".join(lines).encode())


@few_and_many
def test_a_list_of_anything(count: int, tmp_path: Path) -> None:
    def holds(example: tuple[str, bytes]) -> None:
        name, content = example
        header = b"uri,n,m\n" if name == "l.csv" and len(content) % 3 else b""
        (tmp_path / name).write_bytes(header + content)
        with _one_line(f"{tmp_path}/{name}"):
            for item in list_rows(str(tmp_path / name)):
                _require_outcome(item)

    names = st.sampled_from(["l.csv", "l.txt", "l.jsonl", "l.tsv", "l.json", "l.csv.gz"])
    zipped = (_LINES | _JSON_LINES).map(gzip.compress)
    cut = st.tuples(zipped, st.integers(0, 40)).map(lambda pair: pair[0][: len(pair[0]) - pair[1]])
    contents = _LINES | _JSON_LINES | _JSON.map(json.dumps).map(str.encode) | cut
    _check(count, st.tuples(names, contents | st.binary(max_size=60)), holds)


@few_and_many
def test_no_stray_quote_swallows_a_row(count: int, tmp_path: Path) -> None:
    """A quote at the start of a cell that none closes: as many outcomes as lines."""

    def holds(quotes: list[int]) -> None:
        lines = []
        for number, at in enumerate(quotes):
            cells = [f"{number}.jpg", "title", "x"]
            if at < len(cells):
                cells[at] = f'"{cells[at]}'
            lines.append(",".join(cells))
        (tmp_path / "l.csv").write_text("\n".join(["uri,t,n", *lines, ""]), "utf-8")
        listed = list(list_rows(str(tmp_path / "l.csv")))
        assert len(listed) == len(quotes)
        whole = [f"{tmp_path}/{n}.jpg" for n, at in enumerate(quotes) if at > 2]
        assert [item.uri for item in listed if isinstance(item, ImageRef)] == whole

    _check(count, st.lists(st.integers(0, 6), min_size=1, max_size=12), holds)


def _arrow(type_: pa.DataType) -> st.SearchStrategy[pa.Array]:
    """Three values of any bits that a type of eight bytes can have."""
    return st.binary(min_size=24, max_size=24).map(
        lambda bits: pa.Array.from_buffers(type_, 3, [None, pa.py_buffer(bits)])
    )


_TYPES = [
    *(
        pa.timestamp(unit, zone)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "A/B")
    ),
    *(pa.duration(unit) for unit in ("s", "us", "ns")),
    *(pa.time64("ns"), pa.time64("us"), pa.date64(), pa.float64(), pa.uint64()),
]


@few_and_many
def test_columns_of_anything_beside_a_picture(count: int, tmp_path: Path) -> None:
    firsts: dict[str, Any] = {
        "l.parquet": {"uri": ["a", "b", "c"]},
        "x.parquet": {"jpg": [PNG] * 3},
    }

    def holds(column: pa.Array) -> None:
        try:
            for name, first in firsts.items():
                pq.write_table(pa.table({**first, "n": column}), tmp_path / name)
        except (pa.ArrowException, ValueError, OverflowError):
            return  # no file can hold it
        listed = list(list_rows(str(tmp_path / "l.parquet")))
        assert [item.uri for item in listed if isinstance(item, ImageRef)] == [
            f"{tmp_path}/{name}" for name in "abc"
        ]
        found = read_members(ImageRef(str(tmp_path / "x.parquet")), image_key=None, max_bytes=99)
        members = [each for each in found if not isinstance(each, Skipped | Note)]
        assert [text(uri_of(each))[-1] for each in members] == [*"012"]

    _check(count, st.one_of(*map(_arrow, _TYPES)), holds)


_BYTES = st.sampled_from([PNG, b"", b"x", b"\xff\xd8\xff", None])
_BYTES_TYPES = [
    *(pa.binary(), pa.large_binary(), pa.binary_view(), pa.string(), pa.large_string()),
    *(pa.dictionary(pa.int32(), pa.binary()), pa.list_(pa.uint8()), pa.list_(pa.int8())),
]


def _bytes_column(type_: pa.DataType, values: list[bytes | None]) -> pa.Array:
    if pa.types.is_dictionary(type_):
        return pa.array(values, pa.binary()).dictionary_encode()
    if pa.types.is_list(type_):
        kind = np.uint8 if pa.types.is_uint8(type_.value_type) else np.int8
        numbers = [None if v is None else np.frombuffer(v, kind).tolist() for v in values]
        return pa.array(numbers, type_)
    return pa.array(values, pa.binary()).cast(type_, safe=False)


@few_and_many
def test_columns_that_may_be_pictures_or_uris(count: int, tmp_path: Path) -> None:
    """One row each, or one line: whatever their names and types are."""
    names = st.sampled_from(["uri", "path", "image", "bucket", "key", "name", "jpg", "x"])
    wraps = st.booleans()
    column = st.tuples(
        names, st.sampled_from(_BYTES_TYPES), wraps, st.lists(_BYTES, min_size=3, max_size=3)
    )
    keys = st.sampled_from([None, None, "image", "x"])

    def holds(example: tuple[list[Any], str | None]) -> None:
        columns, key = example
        arrays = {}
        for name, type_, wrap, values in columns:
            array = _bytes_column(type_, values)
            if wrap:
                array = pa.StructArray.from_arrays([array, array], ["bytes", "path"])
            arrays[name] = array
        path = str(tmp_path / "x.parquet")
        pq.write_table(pa.table(arrays), path)
        with _one_line(f"{tmp_path}/x.parquet: "):
            listed = list(list_input(path, image_key=key))
            for item in listed:
                _require_outcome(item)
            rows = [item for item in listed if not isinstance(item, Note)]
            assert len(rows) == (1 if ImageRef(path) in rows else 3)
        found = list(read_members(ImageRef(path), image_key=key, max_bytes=99))
        members = [each for each in found if not isinstance(each, Skipped | Note)]
        assert len(members) == (1 if uri_of(members[0]) == path else 3)

    _check(count, st.tuples(st.lists(column, min_size=1, max_size=3), keys), holds)


# ---- archives -----------------------------------------------------------------------------------


def _tar(format_: int) -> bytes:
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w", format=format_) as tar:
            for name in ("a.jpg", "a.json", "b" * 120 + ".jpg", "c.txt", "d\u20ac.png"):
                header = tarfile.TarInfo(name)
                header.size = len(PNG)
                tar.addfile(header, io.BytesIO(PNG))
        return file.getvalue()[: -512 * 10]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Archives that are intact, by the name of a file to write them to."""
    folder = tmp_path_factory.mktemp("wholes")
    features = {"image/encoded": PNG, "n": [1, 2], "t": b"x"}
    write_tfrecord(folder / "x.tfrecord", [features] * 3)
    pq.write_table(
        pa.table({"jpg": [PNG] * 4, "t": ["x"] * 4}), folder / "x.parquet", row_group_size=2
    )
    write_zip(folder / "x.zip", {"a.jpg": PNG * 40, "a.json": b"{}", "b/": b"", "d\u20ac.png": PNG})
    tar = _tar(tarfile.GNU_FORMAT)
    return {
        "gnu.tar": tar,
        "x.tar.gz": gzip.compress(tar, mtime=0),
        "x.tar.bz2": bz2.compress(tar),
        "x.tar.xz": lzma.compress(tar),
        "x.tar.zst": pa.compress(tar, "zstd", asbytes=True),
        "pax.tar": _tar(tarfile.PAX_FORMAT),
        **{path.name: path.read_bytes() for path in folder.iterdir()},
    }


@few_and_many
def test_archives_that_are_damaged_anyhow(
    count: int, tmp_path: Path, wholes: dict[str, bytes]
) -> None:
    def holds(example: tuple[str, list[tuple[int, int]], int]) -> None:
        name, changes, cut = example
        content = bytearray(wholes[name])
        for at, byte in changes:
            content[at % len(content)] = byte
        (tmp_path / name).write_bytes(content[: len(content) - cut])
        archive = str(tmp_path / name)
        found = list(read_members(ImageRef(archive), image_key=None, max_bytes=10_000))
        uris = [uri_of(each) for each in found if not isinstance(each, Skipped | Note)]
        assert len(uris) == len(set(uris))
        assert uris.count(archive) <= 1
        for each in found:
            _require_outcome(getattr(each, "ref", each))

    changes = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=4)
    names = st.sampled_from(sorted(wholes))
    _check(count, st.tuples(names, changes, st.just(0) | st.integers(0, 3000)), holds)


# ---- folders ------------------------------------------------------------------------------------

_NAME = st.sampled_from(
    [
        "a",
        "b.jpg",
        "c.tar",
        "_MANIFEST.json",
        ".h",
        "@eaDir",
        "d.parquet",
        "\udce9",
        "**",
        "[x]",
        "\n",
    ]
)


def _plant(folder: Path, plan: list[tuple[list[str], str]]) -> None:
    for parts, kind in plan:
        path = folder.joinpath(*parts)
        if not Path(os.path.normpath(path)).is_relative_to(folder):
            continue  # else links there would lead into whatever other tests have left
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                continue
            if kind == "folder":
                path.mkdir()
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind.startswith("link"):
                path.symlink_to({"link up": "..", "link self": path.name}.get(kind, folder))
            else:
                path.write_bytes(kind.encode())
        except OSError:
            continue  # something is there already, or leads nowhere


@few_and_many
def test_folders_of_anything(count: int, tmp_path: Path) -> None:
    def holds(plan: list[tuple[list[str], str]]) -> None:
        folder = Path(tempfile.mkdtemp(dir=tmp_path), "folder")
        folder.mkdir()
        _plant(folder, plan)
        for source in (str(folder), f"{folder}/**", f"{folder}/*/*.jpg"):
            listed: list[Listed] = []
            with _one_line("--input "):
                listed += list_input(source)
            paths = [item.path if isinstance(item, Skipped | Note) else item.uri for item in listed]
            assert len(paths) == len(set(paths))
            for item in listed:
                _require_outcome(item)
        shutil.rmtree(folder.parent)

    kinds = st.sampled_from(
        ["x", "PAR1", "{}", "folder", "pipe", "link up", "link self", "link root"]
    )
    plan = st.lists(st.tuples(st.lists(_NAME, min_size=1, max_size=4), kinds), max_size=10)
    _check(count, plan, holds)


# ---- answers of a storage -----------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A list whose last item is what every storage says, byte by byte, whatever it is asked."""
    said = [b""]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while said:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(1)
                    with_request = connection.recv(65_536)
                    if with_request and said:
                        connection.sendall(said[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        s3._client_of.cache_clear()
        yield said
        said.clear()
        socket.create_connection(server.getsockname()).close()
        thread.join()
        s3._client_of.cache_clear()


_ODD = ["x", "", "-1", "9" * 30, "\xff"]
_VALUES = {
    "Content-Length": ["3", "3, 4", *_ODD],
    "X-Goog-Hash": ["crc32c=A", "crc32c======", "crc32c=AAAAAA==", *_ODD],
    "Content-Encoding": ["gzip", *_ODD],
    "X-Goog-Generation": _ODD,
    "Location": _ODD,
    "ETag": ['"a"', *_ODD],
    "Content-Range": ["bytes 0-0/3", "bytes 0-2/3", "bytes */3", *_ODD],
    "Transfer-Encoding": ["chunked", *_ODD],
    "Last-Modified": ["Thu, 01 Jan 1970 00:00:00 GMT", *_ODD],
    "Retry-After": ["0", *_ODD],
    "x-amz-checksum-crc32": _ODD,
    "x-amz-missing-meta": _ODD,
}
_HEADERS = st.lists(
    st.sampled_from(
        [f"{name}: {value}\r\n" for name, values in _VALUES.items() for value in values]
    ),
    max_size=3,
).map(lambda lines: "".join(lines).encode("latin-1"))


_STATUS = st.sampled_from(
    [b"200 OK", b"200 OK", b"206 x", b"302 x", b"404", b"416 x", b"503 x", b"x"]
)
_BODIES = st.sampled_from(
    [
        b"",
        b"abc",
        b"abcdef",
        b"{}",
        b"[]",
        b"<a/>",
        b"<",
        b'{"size": []}',
        b'{"items": 3}',
        b'{"items": [3]}',
        b"3\r\nabc\r\n0\r\n\r\n",
        b"zz\r\n",
        b"<Error><Code>x</Code></Error>",
    ]
)
_ANSWERS = st.builds(
    lambda status, headers, body: (
        b"HTTP/1.1 %b\r\n%bConnection: close\r\n\r\n%b" % (status, headers, body)
    ),
    _STATUS,
    _HEADERS,
    _BODIES,
)


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_answers_of_anything(count: int, answers: list[bytes]) -> None:
    """The content, or an error of the operating system's kind."""

    def holds(example: bytes) -> None:
        answers.append(example)
        with contextlib.suppress(OSError):
            gcs_read.read("gs://bkt/a", max_bytes=99, patience_s=0.01)
        with contextlib.suppress(OSError):
            gcs.find("gs://bkt/a", patience_s=0.01)
        with contextlib.suppress(OSError):
            next(gcs.pages("gs://bkt/a", patience_s=0.01), None)

    _check(count, _ANSWERS, holds)


def _asked(path: str) -> None:
    """Everything that is asked of a file."""
    for ask in (
        lambda: files.read(path, max_bytes=99),
        lambda: files.find(path),
        lambda: files.exists(path),
        lambda: files.changed(path),
        lambda: files.read_bytes(path),
    ):
        with contextlib.suppress(OSError):
            ask()


@pytest.mark.parametrize("count", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_answers_of_anything_from_s3(
    count: int, answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PATIENCE_S", 0.0)
    monkeypatch.setattr(standard.ExponentialBackoff, "delay_amount", lambda *_: 0.0)

    def holds(example: bytes) -> None:
        answers.append(example)
        _asked("s3://bkt/a")
        with contextlib.suppress(OSError):
            files.claim("s3://bkt/a", b"x", version=None)
        with contextlib.suppress(OSError):
            files.delete_version("s3://bkt/a", version="x")

    _check(count, _ANSWERS, holds)


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_answers_of_anything_from_a_web_server(
    count: int, answers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE_S", 0.05)
    monkeypatch.setattr(outage, "FAILURES", 10**9)
    http_options.use(user_agent=None, allow_private_hosts=True)

    def holds(example: bytes) -> None:
        answers.append(example)
        _asked(f"{os.environ['STORAGE_EMULATOR_HOST']}/a")

    _check(count, _ANSWERS, holds)
    http_options.use(user_agent=None, allow_private_hosts=False)
