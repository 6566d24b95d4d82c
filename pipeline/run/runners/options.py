"""Which runner a command uses, and the flags that go to Beam."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from transforms.errors import UsageError
from transforms.storage.addresses import text

LOCAL_RUNNERS = ("direct", "fnapi")

# Beam counts them among Dataflow's, but every runner reads gs:// with them.
_FOR_STORAGE = (
    "project",
    "gcp_oauth_scopes",
    "impersonate_service_account",
    "enable_bucket_read_metric_counter",
    "enable_bucket_write_metric_counter",
    "no_gcsio_throttling_counter",
    "enable_gcsio_blob_generation",
    "gcs_custom_audit_entries",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """What the options of every command with a graph have in common.

    Attributes:
        runner: name of a Beam runner.
        beam_args: flags that go to Beam as they are.
        allow_image: take an image for Dataflow whose name does not say which versions are in it.
    """

    runner: str = "DirectRunner"
    beam_args: tuple[str, ...] = ()
    allow_image: bool = False

    def flags_of_storage(self) -> list[str]:
        """More flags for Beam, of a command that has options for what it reads."""
        return []

    @property
    def is_local(self) -> bool:
        """Whether the run happens on this machine, in this process or its children."""
        return self._name in LOCAL_RUNNERS

    @property
    def is_dataflow(self) -> bool:
        """Whether the run goes to Dataflow."""
        return self._name == "dataflow"

    @property
    def _name(self) -> str:
        return self.runner.lower().replace("_", "").removesuffix("runner")


def beam_options(options: RunnerOptions) -> Any:
    """The flags for Beam as its PipelineOptions; its file systems use them from here on.

    Raises:
        UsageError: a flag that neither this program nor Beam knows (Beam alone would ignore it), or
            one that is known to lose data, or a value that Beam refuses.
    """
    from apache_beam.io.filesystems import FileSystems  # heavy, and `--help` needs this module
    from apache_beam.options.pipeline_options import PipelineOptions

    from transforms import beam_internals
    from transforms.storage import http_options  # noqa: F401  # its flags are Beam's too

    parser = _BeamParser(add_help=False, allow_abbrev=False)
    flags_of_beam = beam_internals.flags(parser)
    known, unknown = _parsed(parser, options.beam_args)
    if unknown:
        if not unknown[0].startswith("-"):
            raise UsageError(f"{text(unknown[0])}: one word too many; see --help")
        flag = unknown[0].split("=")[0]
        close = difflib.get_close_matches(flag, flags_of_beam + _our_flags(options), n=1)
        hint = f"Did you mean {close[0]}?" if close else "See --help."
        raise UsageError(f"{unknown[0]}: neither a flag of quantlabel nor one of Beam. {hint}")
    if known.direct_running_mode == "multi_threading":
        raise UsageError(
            "--direct_running_mode=multi_threading loses pictures without a message in this "
            "version of Beam. Use multi_processing, or leave it out: one process already uses "
            "every core."
        )
    # Beam would ship whatever the main module holds; workers import what they need. That the types
    # of a graph fit together is the tests' business: to find out takes a tenth of a second.
    flags = PipelineOptions(
        [*options.beam_args, *options.flags_of_storage()],
        save_main_session=False,
        pipeline_type_check=False,
    )
    FileSystems.set_options(flags)  # those of S3 are needed before there is a pipeline
    return flags


def inert(options: RunnerOptions) -> list[str]:
    """Flags that were given and that only other runners look at.

    Args:
        options: of the command, for Dataflow or for this machine.
    """
    from apache_beam.options import pipeline_options as beam_groups

    from transforms import beam_internals

    portable = [beam_groups.FlinkRunnerOptions, beam_groups.SparkRunnerOptions]
    cloud = [beam_groups.GoogleCloudOptions, beam_groups.WorkerOptions]
    if options.is_local:
        others = [*portable, *cloud, beam_groups.PortableOptions]
    elif options.is_dataflow:
        others = [*portable, beam_groups.DirectOptions]
    else:
        return []
    parser = beam_internals.flags_of(others)
    given = vars(parser.parse_known_args(list(options.beam_args))[0])
    names = {action.dest: action.option_strings[0] for action in parser._actions}
    return [names[name] for name in given if name not in _FOR_STORAGE]


def processes(options: RunnerOptions, flags: Any) -> int | None:
    """How many processes of a run share one machine. None: one for each processor, as on Dataflow.

    Args:
        options: of the command.
        flags: for Beam, its PipelineOptions.
    """
    from apache_beam.options.pipeline_options import DirectOptions

    if not options.is_local:
        return None
    direct = flags.view_as(DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return 1
    return direct.direct_num_workers or None  # 0 stands for all processors


def _parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[Any, list[str]]:
    # Flags of Beam that take JSON fail as whatever meets a value of another form.
    try:
        return parser.parse_known_args(list(words))
    except (ValueError, TypeError, AttributeError) as error:
        wrong = next((word for word in words if _fails(parser, word)), "one that takes JSON")
        raise UsageError(
            f'a flag of Beam: {text(wrong)}: expected JSON, such as {{"key": "value"}}'
        ) from error


def _fails(parser: argparse.ArgumentParser, word: str) -> bool:
    try:
        parser.parse_known_args([word])
    except UsageError:
        return False  # its value is the next word
    except (ValueError, TypeError, AttributeError):
        return True
    return False


class _BeamParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"a flag of Beam: {message}")


def _our_flags(options: RunnerOptions) -> list[str]:
    names = [field.name.replace("_", "-") for field in dataclasses.fields(options)]
    return ["--input", "--quiet", "--verbose", *(f"--{name}" for name in names)]
