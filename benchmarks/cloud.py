"""Measures how much of the speed on local files is left when every GET takes 50 ms more.

    python -m benchmarks.cloud --images FOLDER --model FILE

The server, an emulator of Cloud Storage behind a proxy, has a core of its own, and the run
has the others: a server that took turns with the run would be measured instead of it. Needs Linux
and requirements.txt.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import pictures
from deploy.emulator import BUCKET, Cloud, run_cloud


def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    arguments = _parser().parse_args(argv)
    cores = sorted(os.sched_getaffinity(0))
    server, others = cores[-1:], cores[:-1] or cores
    with tempfile.TemporaryDirectory() as work, _served(server) as ask:
        sources = pictures.find(arguments.images)
        for count in (1, arguments.count):
            pictures.repeat(sources, Path(work, str(count)), count=count)
        ask.send(("put", work))
        ask.recv()
        os.sched_setaffinity(0, others)
        environment = os.environ | {"STORAGE_EMULATOR_HOST": _ask(ask, "url", None)}
        inputs = {"local files": (work, 0.0), "gs://, no delay": (f"gs://{BUCKET}", 0.0)}
        slow = f"gs://, {arguments.delay_ms} ms"
        inputs[slow] = (f"gs://{BUCKET}", arguments.delay_ms / 1000)
        rates: dict[str, list[float]] = {name: [] for name in inputs}
        for repeat in range(arguments.repeats + 1):  # the first fills caches
            for name, (folder, delay_s) in inputs.items():
                _ask(ask, "delay", delay_s)
                seconds = [
                    _label(f"{folder}/{count}", arguments.model, work, environment)
                    for count in (1, arguments.count)
                ]
                if repeat:
                    rates[name].append((arguments.count - 1) / (seconds[1] - seconds[0]))
        _print(rates)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.cloud", description=__doc__)
    made.add_argument("--images", required=True, metavar="FOLDER")
    made.add_argument("--model", required=True, metavar="FILE")
    made.add_argument("--count", type=int, default=4000, metavar="N")
    made.add_argument("--repeats", type=int, default=3, metavar="N")
    made.add_argument("--delay-ms", type=int, default=50, metavar="MS")
    return made


@contextlib.contextmanager
def _served(cores: Sequence[int]) -> Iterator[Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, cores))
    process.start()
    try:
        yield here
    finally:
        here.send(("stop", None))
        process.join()


def _serve(orders: Connection, cores: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)
    with run_cloud() as cloud:
        cloud.remembers = True
        while True:
            order, value = orders.recv()
            if order == "stop":
                return
            if order == "put":
                _put(cloud, Path(value))
            if order == "delay":
                cloud.delay_s = value
            orders.send(cloud.url)


def _put(cloud: Cloud, folder: Path) -> None:
    for path in sorted(folder.rglob("*.*")):
        cloud.put(str(path.relative_to(folder)), path.read_bytes())


def _ask(orders: Connection, order: str, value: object) -> str:
    orders.send((order, value))
    url: str = orders.recv()
    return url


def _label(source: str, model: str, work: str, environment: dict[str, str]) -> float:
    """Seconds from the command to its end, default settings."""
    out = Path(work, "out")
    words = ["label", "--quiet", "--input", source, "--output", str(out), "--model", model]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pipeline", *words], env=environment, check=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(out)
    return seconds


def _print(rates: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in medians.items():
        share = rate / medians["local files"]
        spread = ", ".join(f"{value:.0f}" for value in rates[name])
        print(f"{name:20} {rate:6.0f} pictures/s  {share:4.0%} of local  ({spread})")


if __name__ == "__main__":
    main()
