from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.run.plan import Plan
from pipeline.run.sample import Reservoir
from tests.helpers.archives import write_tar
from transforms.images.machine import cores

PLAN = Plan(
    entries=40_000_000,
    archives=0,
    opened=0,
    skipped=5,
    unlisted=0,
    listing_seconds=60.0,
    sampled=200,
    failures_by_reason={"empty": 1, "truncated": 3},
    encoded_bytes=20_000_000,
    wall_seconds=0.25,
    cpu_seconds=0.45,
    output_bytes=80_000,
    cores=2,
    price=0.05,
)


def test_estimates_follow_from_the_sample() -> None:
    assert PLAN.failures == 800_000
    assert PLAN.pictures_per_second == 800
    assert PLAN.hours_here == pytest.approx((2 + 50_000) / 3600)
    assert PLAN.vcpu_hours == pytest.approx(25.0)  # 40,000,000 x 2.25 ms
    assert PLAN.cost == pytest.approx(1.25)
    assert PLAN.total_output_bytes == 16_000_000_000


def _sample(count: int, *, size: int) -> list[int]:
    reservoir: Reservoir[int] = Reservoir(size)
    for number in range(count):
        reservoir.add(number)
    assert reservoir.seen == count
    return reservoir.items


def test_the_sample_is_uniform_and_repeatable() -> None:
    assert _sample(5, size=10) == [0, 1, 2, 3, 4]
    sample = _sample(10_000, size=1000)
    assert sample == _sample(10_000, size=1000)
    assert len(set(sample)) == 1000
    tenths = Counter(number // 1000 for number in sample)
    assert all(60 < tenths[tenth] < 140 for tenth in range(10))


def test_json_counts_what_is_there(
    photos: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "gone.jpg").symlink_to("nowhere")
    (photos / "notes.md").write_bytes(b"x")
    words = ["plan", "--input", str(photos), "--model", str(stand_in_file), "--price", "2"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["entries"], found["skipped"], found["sampled"]) == (12, 1, 12)
    assert found["failures_by_reason"] == {"empty": 1, "not_found": 1}
    assert found["expected_failures"] == 2
    assert found["encoded_bytes"] == sum(path.stat().st_size for path in photos.glob("0*.jpg"))
    assert found["cost"] == pytest.approx(2 * found["vcpu_hours"])
    assert found["cores"] == cores()
    assert found["output_bytes"] > 0
    assert found["wall_seconds"] > 0


def test_pictures_of_shards_are_estimated(
    photos: Path, stand_in_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = [path.read_bytes() for path in sorted(photos.iterdir())]
    folder = tmp_path / "archives"
    folder.mkdir()
    small = [(f"{n}.jpg", contents[n]) for n in range(10)]
    write_tar(folder / "small.tar", [*small, ("empty.jpg", b""), ("notes.md", b"x")])
    write_tar(folder / "large.tar", [(f"{n}.jpg", contents[n % 10]) for n in range(600)])
    (folder / "loose.jpg").write_bytes(contents[0])
    words = ["plan", "--input", str(folder), "--model", str(stand_in_file)]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["archives"], found["opened"]) == (2, 2)
    assert 612 <= found["entries"] <= 1000  # headers and padding weigh much with small pictures
    assert found["sampled"] == 111  # the small archive and 100 members of the large one
    assert found["failures_by_reason"] == {"empty": 1}
    assert main(words) == 0
    assert "their pictures estimated from the size of 2" in capsys.readouterr().out


def test_the_table_shows_its_arithmetic(
    photos: Path, stand_in_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--input", str(photos), "--model", str(stand_in_file)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for part in ("pictures", "0 of 10 tried", "bytes a row", "vCPU h x 0.056 (--price)"):
        assert part in captured.out


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--price", "0"], 2, "--price: expected a positive number, found 0.0"),
        (["--output", "x"], 2, "--output: no flag of this command"),
        (["--input", "/no/such"], 1, "--input /no/such: nothing matched"),
    ],
)
def test_a_mistake_is_one_line(
    photos: Path,
    stand_in_file: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    expected: str,
) -> None:
    assert main(["plan", "--input", str(photos), "--model", str(stand_in_file), *words]) == status
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
