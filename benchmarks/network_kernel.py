"""Measures the compiled kernel of the network against LiteRT: one thread, batches of 64.

    python -m benchmarks.network_kernel --model mobilenet_v1_0.25_128_quant

Prints processor time a picture, which other programs on the machine disturb less than wall time;
the contestants take turns, a batch each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping, Sequence

from pipeline.models.load import load_network
from transforms.errors import UserError
from transforms.kernel import UnsuitableError, levels
from transforms.network import native
from transforms.network.litert import LiteRtModel
from transforms.network.ranking import BATCH_SIZE, Runnable


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a line a contestant; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.network_kernel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="name or path of a quantized network")
    parser.add_argument(
        "--batches", type=int, default=50, metavar="N", help="of each (default: 50)"
    )
    arguments = parser.parse_args(argv)
    try:
        tflite = load_network(arguments.model).read()
        layers = native.read_layers(tflite)
        contestants: dict[str, Runnable] = {"LiteRT": LiteRtModel(tflite)}
        for level in levels():
            contestants[level] = native.NativeModel(layers, level=level)
    except (UserError, UnsuitableError) as error:
        print(error, file=sys.stderr)
        return 2
    for name, times in measure(contestants, layers.size, batches=arguments.batches).items():
        print(f"{name:12} {min(times):7.3f} {statistics.median(times):7.3f} ms (least, median)")
    return 0


def measure(
    contestants: Mapping[str, Runnable], size: int, *, batches: int
) -> dict[str, list[float]]:
    """Milliseconds of processor time a picture of each contestant, batch by batch."""
    made = native.made_pictures(size)
    pictures = [made[number % len(made)] for number in range(BATCH_SIZE)]
    for model in contestants.values():
        model.run(pictures)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(batches):
        for name, model in contestants.items():
            start = time.thread_time()
            model.run(pictures)
            times[name].append((time.thread_time() - start) / BATCH_SIZE * 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
