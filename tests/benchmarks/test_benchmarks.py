"""The benchmark's arithmetic, its pictures, how it watches processes, and one small run of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks import chart, pictures, process, stages
from benchmarks.__main__ import main, source
from benchmarks.contestants import CONTESTANTS, Job, on_cores
from benchmarks.process import Sample
from benchmarks.results import Agreement, Results, Run, net
from benchmarks.scenarios import chosen, row_groups
from benchmarks.targets import Verdict, judge
from pipeline.models.tflite.stand_in import stand_in
from transforms.errors import UserError

MB = 1_000_000

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux's /proc")


def run(
    contestant: str,
    seconds: float,
    *,
    pictures: int = 10_000,
    scenario: str = "main",
    peak: int | None = None,
) -> Run:
    return Run(scenario, contestant, pictures, seconds, 2 * seconds, peak)


def results_of(*runs: Run) -> Results:
    return Results(machine={}, command="", runs=list(runs))


def verdict(results: Results, target: str) -> Verdict:
    (found,) = [each for each in judge(results) if each.target == target]
    return found


# ---- results


def test_summary_is_the_median_and_the_largest_peak() -> None:
    results = results_of(
        run("ours", 12.0, peak=200 * MB),
        run("daft", 40.0),
        run("ours", 10.0, peak=300 * MB),
        run("ours", 20.0, peak=250 * MB),
    )
    ours, daft = results.summaries("main")
    assert (ours.contestant, ours.runs) == ("ours", 3)
    assert (ours.median_s, ours.min_s, ours.max_s, ours.cpu_s) == (12.0, 10.0, 20.0, 24.0)
    assert ours.peak_bytes == 300 * MB
    assert ours.rate == pytest.approx(833.333, abs=0.001)
    assert (daft.contestant, daft.peak_bytes) == ("daft", None)


def test_find_keeps_scenarios_and_counts_apart() -> None:
    results = results_of(
        run("ours", 99.0, scenario="scale"), run("ours", 2.5, pictures=1), run("ours", 12.5)
    )
    whole, one = results.find("main", "ours"), results.find("main", "ours", 1)
    assert whole is not None
    assert one is not None
    assert (whole.pictures, whole.median_s, one.median_s) == (10_000, 12.5, 2.5)
    assert net(whole, one) == 10.0
    assert results.find("main", "ray") is None
    assert results.find("main", "ours", 7) is None


# ---- targets


def test_a_rival_is_held_against_ours() -> None:
    target = "10,000 pictures: times as fast as Daft"
    met = results_of(run("ours", 10.0), run("daft", 20.0))
    assert verdict(met, target) == (target, "at least 2.00", "2.00", "PASS")
    missed = results_of(run("ours", 10.0), run("daft", 19.0))
    assert verdict(missed, target) == (target, "at least 2.00", "1.90", "FAIL")


def test_too_few_pictures_are_not_judged() -> None:
    few = results_of(run("ours", 10.0, pictures=300), run("daft", 1.0, pictures=300))
    assert {each.status for each in judge(few)} == {"SKIP"}
    assert verdict(few, "10,000 pictures: times as fast as Daft").measured == "not measured"


def test_the_limit_is_compared_net_of_start_up() -> None:
    results = results_of(
        run("limit", 0.5, pictures=1),
        run("limit", 9.0),
        run("ours", 3.0, pictures=1),
        run("ours", 13.0),
    )
    target = "times as fast as the unavoidable work in Python, net of start-up"
    assert verdict(results, target)[1:] == ("at least 1.20", "0.85", "FAIL")


def test_the_version_before_is_held_against_ours() -> None:
    results = results_of(
        *(run("ours", 12.0), run("before", 20.0)),
        *(run("ours", 9.0, pictures=500, scenario="large"),),
        *(run("before", 18.0, pictures=500, scenario="large"),),
        *(run("ours", 1.5, pictures=1, scenario="start"),),
        *(run("before", 2.0, pictures=1, scenario="start"),),
        *(run("ours, 16 cores", 4.0, scenario="cores"),),
        *(run("before, 16 cores", 11.0, scenario="cores"),),
        *(run("ours, 64 cores", 5.0, scenario="cores"),),
    )
    measured = {each.target: each[1:] for each in judge(results)}
    wall, processor = (
        f"10,000 pictures: {of} time, share of before" for of in ("wall", "processor")
    )
    assert measured[wall] == measured[processor] == ("at most 0.72", "0.60", "PASS")
    assert measured["12 megapixels: wall time, share of before"][1:] == ("0.50", "PASS")
    assert measured["12 megapixels: the same, net of the start"][1:] == ("0.47", "FAIL")
    assert measured["one picture: wall time, share of before"][1:] == ("0.75", "PASS")
    assert measured["16 simulated cores: times as fast as before"][1:] == ("2.75", "PASS")
    assert measured["64 simulated cores: times as fast as 16"][1:] == ("0.80", "FAIL")
    results.machine["kernel"] = "native (avx512vnni)"
    assert verdict(results, wall)[1:] == ("at most 0.62", "0.60", "PASS")


def test_memory_is_judged_by_its_largest_peak() -> None:
    target = "peak memory of the process tree"
    assert verdict(results_of(run("ours", 10.0, peak=300 * MB)), target).status == "PASS"
    two = results_of(run("ours", 10.0, peak=200 * MB), run("ours", 10.0, peak=301 * MB))
    assert verdict(two, target)[2:] == ("301 MB", "FAIL")


@pytest.mark.parametrize(
    ("later", "measured", "status"), [(219, "1.09", "PASS"), (230, "1.15", "FAIL")]
)
def test_a_long_run_is_held_against_its_first_half(later: int, measured: str, status: str) -> None:
    results = results_of(run("ours", 100.0, pictures=200_000, scenario="soak"))
    # Start-up does not count.
    held = [900, *[900] * 9, *[200] * 46, *[190] * 40, *[later] * 5]
    results.soak = [Sample(float(at), bytes, 30, 12) for at, bytes in enumerate(held)]
    target = "200,000 pictures: memory, later against earlier"
    assert verdict(results, target)[2:] == (measured, status)
    assert verdict(results, "200,000 pictures: open files, later against earlier")[2] == "1.00"
    results.runs = [run("ours", 100.0, pictures=2_000, scenario="soak")]
    assert verdict(results, target).status == "SKIP"


def test_growth_is_very_many_against_a_tenth() -> None:
    results = results_of(
        run("ours", 13.0, scenario="scale", peak=250 * MB),
        run("ours", 104.0, scenario="scale", pictures=100_000, peak=300 * MB),
        run("script", 170.0, scenario="scale", pictures=100_000),
    )
    measured = {each.target: each[2:] for each in judge(results)}
    assert measured["time at 100,000 against ten times that at 10,000"] == ("0.80", "PASS")
    assert measured["peak memory at 100,000 against 10,000 pictures"] == ("1.20", "FAIL")
    assert measured["100,000 pictures: times as fast as the script"] == ("1.63", "PASS")


def test_last_row_group_of_a_file_may_be_small() -> None:
    target = "smallest Parquet row group"
    results = results_of()
    results.row_groups[25_000] = [[10_000, 10_000, 5_000]]
    results.row_groups[300] = [[300]]
    assert verdict(results, target).status == "PASS"
    results.row_groups[25_001] = [[10_000, 5_000, 10_001]]
    assert verdict(results, target)[2:] == ("5,000 rows", "FAIL")


def test_writing_is_encode_and_write() -> None:
    results = results_of()
    results.stages = {"decode": 0.94, "encode": 0.04, "write": 0.02}
    assert verdict(results, "output writing, share of the time")[2:] == ("6.0%", "FAIL")


def test_start_and_large_targets() -> None:
    results = results_of(
        run("ours", 2.5, pictures=1, scenario="start"),
        run("help", 0.6, pictures=0, scenario="start"),
        run("ours", 10.0, pictures=500, scenario="large"),
        run("script", 31.0, pictures=500, scenario="large"),
    )
    results.agreement = Agreement(96, 100)
    measured = {each.target: each[2:] for each in judge(results)}
    assert measured["one picture, from the command to its end"] == ("2.50 s", "PASS")
    assert measured["quantlabel --help"] == ("0.60 s", "FAIL")
    assert measured["12 megapixels: times as fast as the script"] == ("3.10", "PASS")
    assert measured["12 megapixels: same first class as full decoding"] == ("96.0%", "FAIL")


# ---- processes


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@needs_proc
def test_peak_memory_is_that_of_the_whole_tree(tmp_path: Path) -> None:
    child = "import time; block = bytearray(b'x' * 60_000_000); time.sleep(0.5)"
    code = f"""
import subprocess, sys
children = [subprocess.Popen([sys.executable, "-c", {child!r}]) for _ in range(2)]
for each in children:
    each.wait()
"""
    finished = process.run(python(code), log=tmp_path / "log", env={})
    assert finished.peak_bytes is not None
    assert 120 * MB < finished.peak_bytes < 300 * MB


@needs_proc
def test_shared_pages_count_once(tmp_path: Path) -> None:
    code = """
import os, time
block = bytearray(b"x" * 60_000_000)
for _ in range(3):
    if not os.fork():
        time.sleep(0.5)
        os._exit(0)
for _ in range(3):
    os.wait()
"""
    finished = process.run(python(code), log=tmp_path / "log", env={})
    assert finished.peak_bytes is not None
    assert 60 * MB < finished.peak_bytes < 140 * MB


def test_processor_time_is_that_of_the_command(tmp_path: Path) -> None:
    # Lower bounds only: these hold on the slowest machine.
    idle = process.run(python("import time; time.sleep(0.4)"), log=tmp_path / "log", env={})
    assert idle.seconds > 0.4
    busy = "import time\nwhile time.process_time() < 0.6: pass"
    assert process.run(python(busy), log=tmp_path / "log", env={}).cpu_seconds >= 0.6


def test_failed_command_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)exit status 3\.\nno such model"):
        process.run(
            python("import os, sys; sys.exit(print(os.environ['WORDS']) or 3)"),
            log=tmp_path / "log",
            env={"WORDS": "no such model"},
        )


@needs_proc
def test_processes_left_behind_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE_S", 0.2)
    note = tmp_path / "pid"
    code = f"""
import pathlib, subprocess, time
left = subprocess.Popen(["sleep", "60"], start_new_session=True)
pathlib.Path({str(note)!r}).write_text(str(left.pid))
time.sleep(0.5)
"""
    process.run(python(code), log=tmp_path / "log", env={})
    for _ in range(100):
        if process.parent(int(note.read_text())) is None:
            return
        time.sleep(0.02)
    pytest.fail("the process still runs")


HOLDS = """
import threading, time
files = [open("/dev/null") for _ in range(50)]
for _ in range(20):
    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
time.sleep(1)
"""


@needs_proc
def test_samples_count_files_and_threads(tmp_path: Path) -> None:
    samples: list[Sample] = []
    command = [sys.executable, "-c", HOLDS]
    process.run(command, log=tmp_path / "log", env={}, samples=samples)
    most = [max(sample[column] for sample in samples) for column in (2, 3)]
    assert most == [53, 21]  # with standard input, output and errors; with the main thread
    assert [sample.seconds for sample in samples] == sorted(sample.seconds for sample in samples)


@needs_proc
def test_parent_of_a_process_with_an_odd_name(tmp_path: Path) -> None:
    odd = tmp_path / "a) S 1 (b"
    odd.symlink_to("/bin/sleep")
    started = subprocess.Popen([odd, "60"])
    try:
        assert process.parent(started.pid) == os.getpid()
    finally:
        started.kill()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert process.parent(started.pid) is None, "a zombie has ended"
    started.wait()


# ---- pictures


def test_repeated_pictures_have_names_of_their_own(photos: Path, tmp_path: Path) -> None:
    (photos / "notes.csv").write_text("not a picture")
    (photos / "000009.jpg").rename(photos / "000009.JPEG")
    found = pictures.find(str(photos))
    assert len(found) == 10
    folder = pictures.repeat(found, tmp_path / "repeated", count=23)
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "000000.jpg"
    assert names[9] == "000009.jpeg"
    assert len(names) == 23
    assert (folder / "000012.jpg").read_bytes() == found[2].read_bytes()


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no picture in it"):
        pictures.find(str(tmp_path))
    with pytest.raises(UserError, match="no such folder"):
        pictures.find(str(tmp_path / "gone"))


def test_large_pictures_show_the_same_in_12_megapixels(photos: Path, tmp_path: Path) -> None:
    (large,) = pictures.enlarge(pictures.find(str(photos))[:1], tmp_path / "large", count=5)
    image, source = Image.open(large), Image.open(photos / "000000.jpg")
    assert image.size == (4000, 3000)
    # 96 x 64 is cut to 85.3 x 64, from 5.33 on; (12, 4) is the middle of a block of one colour.
    place = round((12 - 5.33) * 46.875), round(4 * 46.875)
    pairs = zip(image.getpixel(place), source.getpixel((12, 4)), strict=True)  # type: ignore[arg-type]
    assert all(abs(a - b) < 25 for a, b in pairs)


@pytest.mark.parametrize("size", [(131, 95), (500, 334), (95, 131)])
def test_pictures_of_any_size_are_enlarged(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, "red").save(tmp_path / "small.jpg")
    (large,) = pictures.enlarge([tmp_path / "small.jpg"], tmp_path / "large", count=1)
    assert Image.open(large).size == (4000, 3000)


# ---- contestants, stages, reports


def test_scripts_label_every_picture(photos: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(stand_in())
    job = Job(pictures=photos, output=tmp_path / "out", tflite=model, keras=tmp_path / "none")
    for name in ("script", "limit"):
        process.run(CONTESTANTS[name].command(job), log=tmp_path / "log", env={})
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert sorted(row["uri"] for row in rows) == sorted(map(str, photos.iterdir()))
    assert all(0 <= row["class_id"] <= 1000 and 0 < row["score"] <= 1 for row in rows)


def test_contestants_that_cannot_run_become_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    results = results_of()
    assert [each.name for each in chosen(["daft", "ours", "script"], results)] == ["ours", "script"]
    assert results.notes == [
        "daft is left out: daft is not installed. Run pip install -e '.[bench]'."
    ]


def test_stages_cover_a_run(photos: Path) -> None:
    profile = stages.profile(photos, tflite=stand_in(), sample=8)
    assert list(profile) == [
        *("list", "read", "hash", "decode", "infer", "rank", "encode", "write")
    ]
    assert min(profile.values()) >= 0
    assert profile["infer"] > 0


def test_row_groups_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    pq.write_table(pa.table({"n": range(25)}), path, row_group_size=10)
    assert row_groups(path) == [10, 10, 5]


def test_chart_shows_every_contestant_with_its_numbers() -> None:
    results = results_of(run("daft", 25.0), run("ours", 10.0, peak=250 * MB))
    drawn = chart.draw(
        results.summaries(), titles={"ours": "quantlabel", "daft": "Daft & co"}, note="a < b"
    )
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.text]
    places = [texts.index(text) for text in ("quantlabel", "1,000", "250", "Daft & co", "400")]
    assert places == sorted(places), "the fastest comes first"
    assert texts[-1] == "a < b"
    assert "prefers-color-scheme: dark" in drawn


def test_simulated_cores_label_without_decoding(tmp_path: Path) -> None:
    model, picture = tmp_path / "model.tflite", tmp_path / "picture.jpg"
    model.write_bytes(stand_in())
    picture.write_bytes(b"no picture")
    folder = pictures.repeat([picture], tmp_path / "pictures", count=30)
    job = Job(pictures=folder, output=tmp_path / "out", tflite=model, keras=tmp_path / "none")
    process.run(on_cores(3, "ours", job), log=tmp_path / "log", env={})
    (rows,) = (tmp_path / "out").glob("*.parquet")
    assert pq.read_table(rows).column("width").to_pylist() == [500] * 30


def test_the_source_of_a_commit_is_one_more_contestant(tmp_path: Path) -> None:
    for words in (
        ["init", "--quiet"],
        ["add", "package.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "one"],
    ):
        (tmp_path / "package.py").write_text("VERSION = 1\n")
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    (tmp_path / "package.py").write_text("VERSION = 2\n")
    results = results_of()
    found = source("HEAD", tmp_path / "before", results, repository=tmp_path)
    assert (found / "package.py").read_text() == "VERSION = 1\n"
    assert results.notes == ["before is HEAD"]
    job = Job(tmp_path, tmp_path, tmp_path, tmp_path, before=found)
    assert CONTESTANTS["before"].command(job)[:2] == ["env", f"PYTHONPATH={found}"]
    with pytest.raises(UserError, match="--against nothing: expected a commit of this repository"):
        source("nothing", tmp_path / "other", results, repository=tmp_path)


def test_a_small_benchmark_measures_and_reports(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.__main__._QUICK_COUNT", 30)
    model, output = tmp_path / "model.tflite", tmp_path / "out"
    model.write_bytes(stand_in())
    arguments = ["--quick", "--scenario", "main", "start", "--contestants", "ours", "script"]
    arguments += ["--images", str(photos), "--model", str(model), "--output", str(output)]
    assert main(arguments) == 0
    found = json.loads((output / "results.json").read_text())
    measured = [(each["scenario"], each["contestant"], each["pictures"]) for each in found["runs"]]
    assert measured == [
        ("main", "ours", 1),
        ("main", "ours", 30),
        ("main", "script", 1),
        ("main", "script", 30),
        ("start", "ours", 1),
        ("start", "help", 0),
    ]
    assert found["row_groups"]["30"] == [[30]]
    assert found["pictures"]["main"]["distinct"] == 10
    assert "| quantlabel " in (output / "results.md").read_text()
    assert "quantlabel" in (output / "chart.svg").read_text()
    assert sorted(path.name for path in output.iterdir()) == [
        *("chart.svg", "logs", "results.json", "results.md")
    ]


def test_wrong_input_ends_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = main(["--images", str(tmp_path / "gone"), "--output", str(tmp_path / "out")])
    assert status == 1
    assert "no such folder. Give a folder with photographs." in capsys.readouterr().out
    assert not (tmp_path / "out" / "work").exists()
