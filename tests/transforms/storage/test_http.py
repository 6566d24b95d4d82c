"""Pictures, lists and archives at addresses of a real web server."""

from __future__ import annotations

import errno
import gzip
import io
import json
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystems import FileSystems

from pipeline.cli import main
from pipeline.run.folder.finished import open_run
from tests.helpers.archives import write_tar
from tests.helpers.certificates import NAME, write_certificate
from tests.helpers.http_server import Reply, Server, closed_port, serve
from transforms import outage
from transforms.errors import UserError
from transforms.storage import files, http, http_client, http_options


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server of this machine, which may be asked, and a process that knows no host."""
    monkeypatch.setattr(outage, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(http_client, "PATIENCE_S", 2.0)
    http_options.use(user_agent=None, allow_private_hosts=True)
    outage.release()
    with serve() as server:
        yield server
    FileSystems.set_options(None)
    outage.release()


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"ETag": '"ab"', "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"}, "ab"),
        (
            {"ETag": 'W/"ab"', "Last-Modified": "Thu, 01 Jan 1970 00:00:00 GMT"},
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ),
        ({"ETag": 'W/"ab"'}, 'W/"ab"'),
        ({}, None),
    ],
)
def test_a_picture_has_the_version_that_the_server_tells(
    web: Server, headers: dict[str, str | None], version: str | None
) -> None:
    url = web.on("/a.jpg", Reply(b"12345", headers=headers))
    assert files.read(url, max_bytes=5) == (b"12345", version)
    if version is not None:
        assert files.find(url) == (5, version)
    else:
        with pytest.raises(OSError, match="the server tells no size or no version"):
            files.find(url)


def test_what_is_not_there(web: Server) -> None:
    for status in (404, 410):
        url = web.on("/a.jpg", Reply(status=status))
        assert files.find(url) is None
        assert files.changed(url) is None
        assert files.exists(url) is False
        with pytest.raises(FileNotFoundError):
            files.open_read(url)


@pytest.mark.parametrize(
    ("modified", "changed"),
    [
        ("Thu, 01 Jan 1970 00:00:07 GMT", 7.0),
        ("Thu, 01 Jan 1970 00:00:07 -0000", 7.0),
        ("Thu, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 +9999999999999999", None),
        ("yesterday", None),
    ],
)
def test_when_a_file_was_changed(web: Server, modified: str, changed: float | None) -> None:
    assert files.changed(web.put("/a.jpg", b"a", **{"Last-Modified": modified})) == changed


def test_a_part_is_not_taken_for_the_whole(web: Server) -> None:
    url = web.on("/a.jpg", Reply(b"1", status=206), Reply(b"12"))
    assert files.read(url, max_bytes=9).data == b"12"


def test_size_limits_hold_before_and_while_reading(web: Server) -> None:
    asked: list[int] = []
    promised = Reply(b"x", headers={"Content-Length": str(10 << 30)}, then="stall")
    without = Reply(bytes(1001), headers={"Content-Length": None})
    for reply in (promised, without):
        with pytest.raises(OSError, match="the limit is 1000") as raised:
            files.read(web.on("/a.jpg", reply), max_bytes=1000, reserve=asked.append)
        assert raised.value.errno == errno.EFBIG
    assert asked == [1000]


def test_who_does_not_say_how_much_it_is_takes_little_until_it_is_more(web: Server) -> None:
    asked: list[int] = []
    for size in (1 << 20, (1 << 20) + 1):
        reply = Reply(bytes(size), headers={"Content-Length": None})
        files.read(web.on("/a.jpg", reply), max_bytes=1 << 30, reserve=asked.append)
    assert asked == [1 << 20, 1 << 20, 1 << 30]


def test_waiting_for_memory_is_not_the_time_of_a_picture(
    web: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE_S", 0.2)
    url = web.on("/a.jpg", Reply(b"12345" * 20_000))
    found = files.read(url, max_bytes=1 << 20, reserve=lambda _: time.sleep(0.5))
    assert found.data == b"12345" * 20_000
    assert web.requested == ["/a.jpg"]


@pytest.mark.parametrize(
    ("coded", "name"),
    [
        (gzip.compress(b"12345", mtime=0), "gzip"),
        (gzip.compress(b"12", mtime=0) + gzip.compress(b"345", mtime=0), "X-Gzip"),
        (zlib.compress(b"12345"), "deflate"),
        (zlib.compress(b"12345", wbits=-15), "deflate"),
        (b"12345", "identity"),
        # What is not so, and what is no encoding.
        (b"12345", "gzip"),
        (b"12345", "deflate"),
        (b"12345", "UTF-8"),
        (b"12345", ""),
    ],
)
def test_content_that_is_encoded_on_the_way(web: Server, coded: bytes, name: str) -> None:
    url = web.on("/a.txt", Reply(coded, headers={"Content-Encoding": name, "ETag": '"x"'}))
    assert files.read(url, max_bytes=100).data == b"12345"
    assert files.read_bytes(url) == b"12345"
    assert web.headers[-1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("coded", "name", "message"),
    [
        (gzip.compress(bytes(1000), mtime=0), "gzip", "more than|the limit is 999"),
        (b"\x1f\x8b12345678", "gzip", "the answer is damaged gzip"),
        (gzip.compress(b"12345", mtime=0)[:-9], "gzip", "the answer is cut off"),
        (b"12345", "br", "the answer has the encoding 'br'"),
        (b"12345", "gzip, gzip", "the answer has the encoding 'gzip, gzip'"),
    ],
)
def test_content_that_is_not_encoded_as_it_says(
    web: Server, coded: bytes, name: str, message: str
) -> None:
    url = web.on("/a.jpg", Reply(coded, headers={"Content-Encoding": name}))
    with pytest.raises(OSError, match=message):
        files.read(url, max_bytes=999)


def test_a_stream_reads_parts_of_one_version(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_CHUNK_BYTES", 1000)
    content = bytes(range(256)) * 10
    url = web.put("/a.bin", content, ETag='"1"')
    stream, version = files.open_versioned(url)
    assert version == "1"
    assert stream.read(3) == content[:3]
    stream.seek(-2, io.SEEK_END)
    assert stream.read() == content[-2:]
    stream.seek(0)
    assert stream.read() == content
    spans = [each.get("Range") for each in web.headers]
    assert spans[:2] == ["bytes=0-0", "bytes=0-999"]
    web.put("/a.bin", content, ETag='"2"')
    stream.seek(0)
    with pytest.raises(ConnectionError, match="the object changed while it was read"):
        stream.read(2000)


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {}, {"Content-Length": None}])
def test_a_server_that_gives_no_parts_gives_all(
    web: Server, headers: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = web.on("/a.bin", Reply(b"0123456789", headers=headers))
    with files.open_read(url) as stream:
        stream.seek(5)
        assert stream.read() == b"56789"
    monkeypatch.setattr(http, "_MAX_WHOLE_BYTES", 9)
    with pytest.raises(OSError, match="the limit is 9"):
        files.open_read(url)


def test_nothing_is_empty(web: Server) -> None:
    assert files.read_bytes(web.put("/a.txt", b"", ETag='"1"')) == b""


def test_a_name_is_held_against_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Server
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    look_up = socket.getaddrinfo

    def here(_: str, *rest: Any, **more: Any) -> Any:
        return look_up("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with serve(certificate=certificate) as secure:
        secure.on("/a.jpg", Reply(b"a"))
        port = secure.url.rpartition(":")[2]
        for trusted in (False, True):
            http_client._pools.cache_clear()
            if trusted:
                monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
                assert files.read(f"https://{NAME}:{port}/a.jpg", max_bytes=9).data == b"a"
            with pytest.raises(OSError, match="the server's certificate is not trusted"):
                files.read(f"https://other.example:{port}/a.jpg", max_bytes=9)
    http_client._pools.cache_clear()
    assert web.requested == []


def test_nothing_is_written_or_listed(web: Server) -> None:
    with pytest.raises(OSError, match=r"nothing is written to http\(s\)://"):
        files.write_bytes(f"{web.url}/a", b"a")
    for source in (f"{web.url}/photos/", f"{web.url}/*.jpg"):
        with pytest.raises(UserError, match=r"a web server lists no folders. Expected the address"):
            files.require_access(source, what="--input")
    assert web.requested == []


# ---- runs ---------------------------------------------------------------------------------------


def _label(*words: object) -> int:
    return main(["label", "--quiet", *map(str, words)])


def test_a_list_of_addresses_is_labelled_verified_and_resumed(
    web: Server,
    photos: Path,
    stand_in_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = sorted(photos.iterdir())
    urls = [web.put(f"/p/{at}", path.read_bytes(), ETag=f'"{at}"') for at, path in enumerate(paths)]
    write_tar(tmp_path / "t.tar", [("a.jpg", paths[0].read_bytes()), ("b.jpg", b"")])
    tar = web.put("/p/t.tar", (tmp_path / "t.tar").read_bytes(), ETag='"t"')
    web.on("/p/busy", Reply(status=503), Reply(paths[1].read_bytes(), headers={"ETag": '"b"'}))
    odd = {
        f"{web.url}/p/none": "not_found",
        f"{web.url}/p/7?id=1": None,
        f"{web.url}/p/7?id=2": None,
        f"{web.url}/p/busy": None,
        f"http://127.0.0.1:{closed_port()}/x.jpg": "unavailable",
        web.on("/p/private", Reply(status=403)): "permission_denied",
        web.on("/p/large", Reply(headers={"Content-Length": str(10 << 30)})): "too_large_bytes",
        f"{web.url}/p/a?sig=5ec2e7": "unsupported_uri",
        "relative": "not_found",
    }
    lines = [*urls, *odd, tar]
    listing = web.put("/p/list.txt", "\n".join(lines).encode(), ETag='"l"')
    words = ("--input", listing, "--output", tmp_path / "o", "--model", stand_in_file)
    assert _label(*words) == 1
    assert "no address of the internet; --allow-private-hosts" in capsys.readouterr().err
    assert _label(*words, "--allow-private-hosts") == 0
    run = open_run(str(tmp_path / "o"))
    failures = {row["uri"]: row for table in run.failures() for row in table.to_pylist()}
    wanted = {url: reason for url, reason in odd.items() if reason is not None}
    wanted[f"{web.url}/p/relative"] = wanted.pop("relative")
    hidden = wanted.pop(f"{web.url}/p/a?sig=5ec2e7")
    wanted[f"{web.url}/p/a?sig=***a00db90b"] = hidden
    wanted[f"{tar}#b.jpg"] = "empty"
    assert {uri: row["reason"] for uri, row in failures.items()} == wanted
    rows = pa.concat_tables(run.predictions()).to_pylist()
    assert {row["uri"] for row in rows} == {
        *urls,
        *(url for url, reason in odd.items() if reason is None),
        f"{tar}#a.jpg",
    }
    assert {row["version"] for row in rows if row["uri"] in urls} == set(map(str, range(10)))
    everything = b"".join(
        path.read_bytes() for path in (tmp_path / "o").rglob("*") if path.is_file()
    )
    assert b"5ec2e7" not in everything
    assert main(["verify", str(tmp_path / "o")]) == 0
    capsys.readouterr()
    web.requested.clear()
    web.headers.clear()
    web.put("/p/3", paths[4].read_bytes(), ETag='"new"')
    assert _label(*words, "--allow-private-hosts", "--resume") == 0
    whole = [
        path
        for path, headers in zip(web.requested, web.headers, strict=True)
        if "Range" not in headers and path.startswith("/p/") and path[3:].isdigit()
    ]
    assert whole == ["/p/3"]


@pytest.mark.parametrize("name", ["one.jpg", "t.tar", "p.parquet"])
def test_one_address_is_an_input(
    web: Server, photos: Path, stand_in_file: Path, tmp_path: Path, name: str
) -> None:
    content = (photos / "000000.jpg").read_bytes()
    (tmp_path / "one.jpg").write_bytes(content)
    write_tar(tmp_path / "t.tar", [("a.jpg", content)])
    pq.write_table(pa.table({"image": [content]}), tmp_path / "p.parquet")
    url = web.put(f"/{name}", (tmp_path / name).read_bytes(), ETag='"1"')
    words = ("--input", url, "--output", tmp_path / "o", "--model", stand_in_file)
    assert _label(*words, "--allow-private-hosts") == 0
    manifest = json.loads((tmp_path / "o/_MANIFEST.json").read_bytes())
    assert (manifest["inputs"], manifest["predictions"]) == (1, 1)
    assert main(["verify", str(tmp_path / "o")]) == 0


def test_a_run_that_cannot_begin_says_so(
    web: Server, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--output", tmp_path / "o", "--model", stand_in_file, "--allow-private-hosts")
    assert _label("--input", f"{web.url}/none.jpg", *words) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"quantlabel: --input {web.url}/none.jpg: the server answered 404")
    assert said.count("\n") == 1
    assert _label("--input", "a", "--output", web.url, "--model", stand_in_file) == 2
    assert "--output: expected a folder here or in a bucket" in capsys.readouterr().err
