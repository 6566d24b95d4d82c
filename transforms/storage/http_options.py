"""How web servers are asked, as flags that Beam brings to every worker like those of S3."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from transforms import beam_internals
from transforms._version import VERSION

USER_AGENT = f"quantlabel/{VERSION}"


class HttpOptions(PipelineOptions):  # type: ignore[misc]
    """Flags of a pipeline that reads http(s) addresses."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--http_user_agent", default=USER_AGENT, help="the header User-Agent")
        parser.add_argument(
            "--http_allow_private_hosts",
            default=False,
            action="store_true",
            help="read http(s) addresses of this machine and of private networks too",
        )


class Settings(NamedTuple):
    """The values of `HttpOptions`."""

    user_agent: str
    allow_private_hosts: bool


def settings() -> Settings:
    """Those of this process."""
    flags = beam_internals.file_system_flags()
    options = (flags or PipelineOptions([])).view_as(HttpOptions)
    return Settings(options.http_user_agent, bool(options.http_allow_private_hosts))


def use(*, user_agent: str | None, allow_private_hosts: bool) -> None:
    """Sets those of this process, where no pipeline does."""
    flags = as_flags(user_agent=user_agent, allow_private_hosts=allow_private_hosts)
    FileSystems.set_options(PipelineOptions(flags))


def as_flags(*, user_agent: str | None, allow_private_hosts: bool) -> list[str]:
    """The flags that say so."""
    flags = [f"--http_user_agent={user_agent}"] if user_agent is not None else []
    return flags + ["--http_allow_private_hosts"] * allow_private_hosts
