"""What a plan expects of a run, against what the run does: requests and bytes.

Processor seconds are shown (`-s`) and not judged: they say little beside other work.
"""

from __future__ import annotations

import collections
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from benchmarks import process
from deploy.emulator import Cloud
from tests.helpers.archives import write_archive
from tests.helpers.http_server import serve

pytestmark = pytest.mark.slow

_COUNT = 400


class Laid(NamedTuple):
    """Inputs of a run.

    Attributes:
        words: flags of both commands.
        bytes: that must be read, pictures and archives; what lists them does not count.
        web: addresses that a web server was asked for; it grows.
    """

    words: list[str]
    bytes: int
    web: list[str]


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Twenty different ones of 20 to 200 kB."""
    random, found = np.random.RandomState(0), []
    for number in range(20):
        side = 16 * (20 + 3 * number)
        coarse = random.randint(0, 256, size=(side // 16, side // 16, 3), dtype=np.uint8)
        noise = random.randint(0, 24, size=(side, side, 3), dtype=np.uint8)
        pixels = coarse.repeat(16, axis=0).repeat(16, axis=1) // 2 + noise
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def _many(pictures: list[bytes], count: int = _COUNT) -> Iterator[tuple[str, bytes]]:
    return ((f"{n:05d}.jpg", pictures[n % len(pictures)]) for n in range(count))


def _folder(cloud: Cloud, pictures: list[bytes], _: Path) -> Iterator[Laid]:
    size = 0
    for number, (name, content) in enumerate(_many(pictures)):
        cloud.put(f"in/{number % 7}/{name}", content)
        size += len(content)
    yield Laid(["--input", "gs://bkt/in"], size, [])


def _list(cloud: Cloud, pictures: list[bytes], _: Path) -> Iterator[Laid]:
    found = list(_many(pictures))
    uris = [cloud.put(f"in/{name}", content) for name, content in found]
    listed = cloud.put("lists/list.txt", "\n".join(uris).encode())
    yield Laid(["--input", listed], sum(len(content) for _, content in found), [])


def _archives(suffix: str) -> Any:
    def laid(cloud: Cloud, pictures: list[bytes], folder: Path) -> Iterator[Laid]:
        members, size = list(_many(pictures)), 0
        for number in range(20):
            path = folder / f"{number}{suffix}"
            # Every fifth takes more than one request of 8 MiB.
            some = members[20 * number :][:20] * (6 if number % 5 == 0 else 1)
            write_archive(path, {f"{at} {name}": data for at, (name, data) in enumerate(some)})
            content = path.read_bytes()
            cloud.put(f"in/{path.name}", content)
            size += len(content)
        yield Laid(["--input", "gs://bkt/in"], size, [])

    return laid


def _web(_: Cloud, pictures: list[bytes], folder: Path) -> Iterator[Laid]:
    with serve() as server:
        found = list(_many(pictures))
        uris = [server.put(f"/{name}", content) for name, content in found]
        (folder / "list.txt").write_text("\n".join(uris))
        words = ["--input", str(folder / "list.txt"), "--allow-private-hosts"]
        yield Laid(words, sum(len(content) for _, content in found), server.requested)


_FORMS = {
    "folder": _folder,
    "list": _list,
    "tar": _archives(".tar"),
    "zip": _archives(".zip"),
    "web": _web,
}


@pytest.mark.parametrize("form", _FORMS)
def test_a_run_asks_for_what_was_planned(
    form: str, cloud: Cloud, pictures: list[bytes], stand_in_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for laid in _FORMS[form](cloud, pictures, tmp_path / "in"):
        words = [*laid.words, "--model", str(stand_in_file)]
        log = tmp_path / "log.txt"
        _quantlabel("plan", *words, "--json", log=log)
        planned = json.loads(log.read_text())["needs"]
        cloud.requests.clear()
        cloud.sent.clear()
        laid.web.clear()
        done = _quantlabel("label", *words, "--output", "gs://bkt/out", "--quiet", log=log)
        cpu = 3600 * planned["cpu_hours"]["expected"]
        print(f"{form}: {done.cpu_seconds:.2f} s of processor time, {cpu:.2f} s planned")
        found = {**_asked(cloud.requests), "bytes": _read(cloud)}
        classes = planned["requests"]
        expected = {
            "a": classes["class_a"]["gs"]["expected"],
            "b": classes["class_b"]["gs"]["expected"],
        }
        if laid.web:
            found |= {"web": len(laid.web), "bytes": laid.bytes}
            expected["web"] = classes["class_b"]["http"]["expected"]
            expected["bytes"] = planned["read_bytes"]["http"]["expected"]
        else:
            expected["bytes"] = planned["read_bytes"]["gs"]["expected"]
            assert found["bytes"] == pytest.approx(laid.bytes, rel=0.02), dict(cloud.sent)
        # Some twenty a run, however many pictures; a slow machine saves rows more often.
        assert abs(found.pop("a") - expected.pop("a")) <= 10, _kinds(cloud.requests)
        assert found == pytest.approx(expected, rel=0.15), _kinds(cloud.requests)


def _quantlabel(*words: str, log: Path) -> process.Finished:
    return process.run([sys.executable, "-m", "pipeline", *words], log=log, env={})


def _asked(requests: list[str]) -> dict[str, float]:
    """Requests of class A and of class B; deleting and the parts of an upload are neither.

    Without what only a slow machine adds: every ten seconds the lock is written again, and rows are
    that are not complete yet.
    """
    counts = collections.Counter(_class_of(request) for request in requests)
    beats = sum("uploadType=multipart" in request for request in requests) - _CLAIMS
    pieces = sum(bool(re.match("DELETE .*predictions-.*arrow", each)) for each in requests)
    return {"a": counts["a"] - beats - (pieces - 1), "b": counts["b"] - 2 * beats}


_CLAIMS = 4
"""Uploads of the lock in a run that lasts less than ten seconds."""


def _class_of(request: str) -> str:
    method, _, path = request.partition(" ")
    if method == "GET":
        return "a" if re.match(r"/storage/v1/b/[^/]+/o(\?|$)", path) else "b"
    return "a" if method == "POST" else "free"


def _read(cloud: Cloud) -> int:
    """Bytes of pictures and archives."""
    media = re.compile(r"/o/in%2F.*alt=media")
    return sum(size for path, size in cloud.sent.items() if media.search(path))


def _kinds(requests: list[str]) -> Mapping[str, int]:
    """For people, when it fails."""
    varies = re.compile(r"(startOffset|endOffset|upload_id|pageToken)=[^&]*|[0-9a-f]{12,}|[0-9]+")
    return collections.Counter(varies.sub("N", each) for each in requests)
