"""What is used of Beam beyond its promises: in one file, and only in the version that was read."""

from __future__ import annotations

import re

import apache_beam
import pytest

from tests.helpers.root import ROOT
from transforms import beam_internals

_PRIVATE = re.compile(
    r"\b(FileSystems|PipelineOptions|StateSampler|\w*Handler|group)\._[a-z]"
    r"|worker_handlers|statesampler|_futures_by_id|_yaml_requires_inputs"
)


def test_another_version_of_beam_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apache_beam, "__version__", "2.99.0")
    for use in (
        lambda: beam_internals.sample_steps_every(10),
        beam_internals.file_system_flags,
        lambda: beam_internals.start_worker_processes(b"true", died="x"),
        lambda: beam_internals.yaml_source(object),
    ):
        with pytest.raises(RuntimeError, match=r"read in Beam 2\.77, and 2\.99 is installed"):
            use()


def test_only_one_file_uses_what_beam_does_not_promise() -> None:
    sources = [path for name in ("pipeline", "transforms") for path in (ROOT / name).rglob("*.py")]
    users = [path.name for path in sources if _PRIVATE.search(path.read_text(encoding="utf-8"))]
    assert users == ["beam_internals.py"]
