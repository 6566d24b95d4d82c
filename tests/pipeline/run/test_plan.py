from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from deploy.emulator import Cloud
from pipeline.cli import main
from pipeline.run.sample import Reservoir
from tests.helpers.archives import write_tar
from tests.helpers.plans import PLAN
from transforms.images.machine import cores


def test_estimates_follow_from_the_sample() -> None:
    assert PLAN.entries == 40_000_000
    assert PLAN.failures == 800_000
    assert PLAN.pictures_per_second == 800
    assert PLAN.hours_here == pytest.approx((2 + 50_000) / 3600)
    assert PLAN.total_output_bytes == 16_000_000_000
    found = PLAN.as_dict()
    assert found["pictures"] == {"low": 39_000_000, "expected": 40_000_000, "high": 41_000_000}
    assert found["needs"]["requests"]["class_b"]["gs"]["expected"] == 40_010_000
    (reading,) = (line for line in found["bills"][0]["lines"] if line["name"] == "reading")
    assert reading["expected"] == pytest.approx(16.02, abs=0.01)
    assert found["cost"] == found["bills"][0]["total"]["expected"]
    assert [bill["machine_type"] for bill in found["bills"][:5]] == [
        *["e2-standard-2"] * 4,
        "e2-standard-4",
    ]


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
    assert found["needs"]["requests"] == {"class_a": {}, "class_b": {}}
    (processors,) = (x for x in found["bills"][0]["lines"] if x["name"] == "processors")
    assert processors["expected"] == pytest.approx(2 * found["vcpu_hours"])
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


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["--price", "nan"], 2, "--price: expected a positive number, found nan"),
        (["--max-workers", "0"], 2, "--max-workers: expected a positive number, found 0"),
        (["--machine-type", "big"], 2, "--machine-type: expected a name such as e2-standard-2"),
        (["--bucket-in", "mars"], 2, "--bucket-in: invalid choice: 'mars'"),
        (["--prices", "/no/such"], 2, "--prices /no/such: No such file or directory"),
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


def test_of_many_spans_some_are_listed(
    cloud: Cloud, stand_in_file: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (photos / "000000.jpg").read_bytes()
    for number in range(40):
        for each in range(1 + number % 2):
            cloud.put(f"in/{number:02d}/{each}.jpg", content)
    plan = ["plan", "--input", "gs://bkt/in", "--model", str(stand_in_file), "--json"]
    assert main(plan) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["spans"], found["spans_listed"], found["entries"]) == (40, 40, 60)
    assert found["needs"]["read_bytes"]["gs"]["expected"] == 60 * len(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.run.sample._ENOUGH", 10)
        assert main(plan) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["spans"], found["spans_listed"]) == (40, 16)
    assert 40 < found["pictures"]["low"] < found["entries"] < found["pictures"]["high"] < 80


def test_an_inventory_says_how_many_and_how_large(
    cloud: Cloud, stand_in_file: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (photos / "000000.jpg").read_bytes()
    for number in range(3):
        cloud.put(f"in/{number}.jpg", content)
    rows = [f"bkt,in/{number}.jpg,{100 + number}" for number in range(3)]
    path = photos / "inventory.csv"
    path.write_text("\n".join(["bucket,name,size", *rows, "bkt,in/notes.md,7"]))
    assert main(["plan", "--input", str(path), "--model", str(stand_in_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["entries"], found["skipped"]) == (3, 1)
    assert found["needs"]["read_bytes"]["gs"]["expected"] == 303
