"""What argparse makes of a command line."""

from __future__ import annotations

import pytest

from pipeline.cli import command_parsers, main


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["label", "--output=x"], "the following arguments are required: --input; see quantlabel"),
        (["label", "--top-k=x"], "--top-k: expected a whole number, found 'x'; see quantlabel "),
        (["plan", "--input=x", "--views=3"], "--views: invalid choice: 3 (choose from "),
        (["model", "stand-in", "--size=7"], "--size: invalid choice: 7 (choose from "),
        (["nonsense"], "nonsense: no such command; see quantlabel --help"),
        (["lable", "--input=x"], "lable: no such command, did you mean label?; see quantlabel "),
        (["model", "inf"], "inf: no such command, did you mean info?; see quantlabel model "),
        (["verify", "a", "b"], "b: one word too many; see quantlabel verify --help"),
        (["report", "a", "--max-picture=3"], "--max-picture: no flag of this command, did you "),
        (["label", "photos", "--input=x", "--output=y"], "photos: one word too many; see --help"),
    ],
)
def test_what_argparse_refuses_is_one_line_too(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"quantlabel: {expected}")
    assert message.count("\n") == 1


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name, parser in command_parsers().items():
        lines = parser.format_help().splitlines()
        assert (name, [line for line in lines if len(line) > 80]) == (name, [])


def test_help_prints_the_defaults_of_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["label", "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for flag, default in {
        "--format": "parquet",
        "--model": "mobilenet_v1_0.25_128_quant",
        "--preprocess": "eval",
        "--top-k": "5",
        "--views": "1",
        "--temperature": "1",
        "--label-threshold": "0",
        "--max-failure-rate": "1",
        "--max-pixels": "100,000,000",
        "--max-bytes": "268,435,456",
        "--reuse-by": "uri",
    }.items():
        about = said[said.rindex(f" {flag} ") :]
        assert about[: about.index(")", about.index("(default: "))].endswith(f"(default: {default}")
