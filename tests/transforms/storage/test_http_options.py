from __future__ import annotations

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.run.options import LabelOptions
from pipeline.run.runners.options import beam_options
from transforms._version import VERSION
from transforms.storage.http_options import Settings, settings, use


def test_a_run_tells_its_workers_how_to_ask() -> None:
    plain = LabelOptions(inputs=("a",), output="b")
    beam_options(plain)
    assert settings() == Settings(f"quantlabel/{VERSION}", False)
    asked = LabelOptions(
        inputs=("a",), output="b", user_agent="me (me@example.org)", allow_private_hosts=True
    )
    flags = beam_options(asked)
    assert settings() == Settings("me (me@example.org)", True)
    # As a worker gets them.
    FileSystems.set_options(PipelineOptions.from_dictionary(flags.get_all_options()))
    assert settings() == Settings("me (me@example.org)", True)
    plain.use_for_storage()
    use(user_agent=None, allow_private_hosts=False)
    assert settings() == Settings(f"quantlabel/{VERSION}", False)
