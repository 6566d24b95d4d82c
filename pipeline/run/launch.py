"""From options to a finished run: preflight, model, runner, clean-up."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, TestOptions
from rich.console import Console

from pipeline.labels.label_map import load_label_map
from pipeline.models.load import load_network
from pipeline.run.folder import attempts, ledger, lock
from pipeline.run.folder.manifest import Identity, Manifest, read_manifest
from pipeline.run.graph import build
from pipeline.run.identity import identity_of
from pipeline.run.options import LabelOptions
from pipeline.run.runners import dataflow, progress, runner
from pipeline.run.runners.options import beam_options, inert
from pipeline.run.submission import Submission, described
from transforms import outage
from transforms.errors import UsageError, UserError
from transforms.failures import Reason
from transforms.inputs import listing as sources
from transforms.inputs.archives.kinds import archive_kind
from transforms.inputs.archives.members import Found, Member, read_members
from transforms.inputs.skips import Note, Skipped, Tally
from transforms.network.label_map import LabelMap
from transforms.network.network import Network
from transforms.records import Failure, ImageRef
from transforms.storage import files
from transforms.storage.addresses import shown

_EXAMPLE = "label --input=gs://BUCKET/photos --output=gs://BUCKET/labels"

_FIRST_RECORDS = 10


def label(options: LabelOptions, *, console: Console | None = None) -> Manifest | None:
    """Runs a labelling job to its end.

    Args:
        options: of the run.
        console: where live progress goes, or None for none.

    Returns:
        The manifest, or None if only a Dataflow template was written.

    Raises:
        UserError: the run could not start, or it has failed.
    """
    ready = _checked(options, console=console)
    service = None if options.is_local else options.runner
    # Its name only; nothing is made before the folder is ours.
    attempt = attempts.new(options.output)
    started = ready.identity.started
    with lock.held(options.output, attempt=attempt, started=started, runner=service):
        if options.resume or not options.overwrite:
            # First what an earlier run had committed: its rows count for `--resume`.
            attempts.recover(options.output, by=attempt, replace=options.overwrite)
        ledger.check_writable(options.output, replace=_replaces(options))
        _begin(attempt, options, ready.identity)
        watched = console if options.is_local else None
        with (
            progress.reports(console=watched) as progress_folder,
            _kept_for_resume(attempt),
            _in_a_file(ready.model) if options.is_local else nullcontext(ready.model) as handed,
        ):
            pipeline = beam.Pipeline(runner=ready.runs_on, options=ready.flags)
            build(
                pipeline,
                options,
                model=handed,
                identity=ready.identity,
                attempt=attempt,
                progress_folder=progress_folder,
            )
            if not dataflow.waits(ready.flags):
                pipeline.run()
                if console is not None:
                    console.print(dataflow.template_note(ready.flags), soft_wrap=True)
                return None
            _run(pipeline, options, started=started, console=console)
        # Not from the pipeline: its results stay with the workers.
        return read_manifest(options.output)


def dry_run(options: LabelOptions, *, console: Console | None = None) -> Submission:
    """Makes all checks of a run and its graph, and neither writes nor submits anything.

    Args:
        options: of the run.
        console: where notes go, or None for none.

    Returns:
        What `label` would start.

    Raises:
        UserError: the run could not start.
    """
    ready = _checked(options, console=console)
    ready.flags.view_as(TestOptions).dry_run = True  # or Beam asks for the buckets' policies
    pipeline = beam.Pipeline(runner=ready.runs_on, options=ready.flags)
    attempt = attempts.new(options.output)
    build(pipeline, options, model=ready.model, identity=ready.identity, attempt=attempt)
    return described(options, ready.flags, pipeline)


@dataclasses.dataclass(frozen=True)
class _Ready:
    """What is known when all that can be checked before a run is right."""

    flags: PipelineOptions
    runs_on: Any
    model: Network
    identity: Identity


def _checked(options: LabelOptions, *, console: Console | None) -> _Ready:
    """Checks flags, folders, inputs and network; reads, but writes nothing."""
    flags = beam_options(options)
    runs_on = runner.create(options)
    if options.is_dataflow:
        paths = [("--input", path) for path in options.inputs] + [("--output", options.output)]
        dataflow.prepare(options, flags, runs_on=runs_on, paths=paths, command=_EXAMPLE)
    if console is not None:
        for note in _notes(options, flags):
            console.print(note, markup=False, highlight=False, soft_wrap=True)
    output = f"--output {shown(options.output)}"
    files.require_access(options.output, what=output)
    if options.is_dataflow:
        dataflow.require_places(flags)
    ledger.check_writable(options.output, replace=_replaces(options))
    for source in options.inputs:
        _require_a_picture(source, options)
    # After the inputs: a typing error in a path should not wait for a download.
    model = load_network(
        options.model, sha256=options.sha256, hints=options.hints, pictures=options.inputs[0]
    )
    if console is not None and model.note:
        console.print(model.note, markup=False, highlight=False, soft_wrap=True)
    options = options.for_network(len(model.classes))
    label_map = _label_map(options, model)
    return _Ready(flags, runs_on, model, identity_of(options, model, label_map))


def _replaces(options: LabelOptions) -> bool:
    return options.overwrite or options.resume


def _notes(options: LabelOptions, flags: PipelineOptions) -> Iterator[str]:
    """What a user should know before a run, though it goes on."""
    for source in without_versions(options):
        yield (
            f"--resume keeps no row of {source}: its storage tells no version of a file, so all "
            "pictures there are labelled again"
        )
    if others := inert(options):
        yield f"without effect on {options.runner}: {', '.join(others)}"
    if options.is_dataflow and (note := dataflow.machine_note(flags)):
        yield note


def without_versions(options: LabelOptions) -> list[str]:
    """Inputs of a resumed run whose pictures cannot be told from changed ones."""
    if not options.resume:
        return []
    return [shown(source) for source in options.inputs if not files.tells_versions(source)]


def _begin(attempt: str, options: LabelOptions, identity: Identity) -> None:
    """Decides on what earlier runs left, and makes the folder of this one's attempt."""
    if not options.resume:
        attempts.discard(options.output)
    elif not options.overwrite:
        attempts.require_same(options.output, identity)
    attempts.begin(attempt, identity)


def _require_a_picture(source: str, options: LabelOptions) -> None:
    """Stops at the first picture: a listing as a whole is the pipeline's work."""
    files.require_access(source, what=sources.named(source))
    # A generator: what is behind the first picture is not looked at.
    listing = sources.list_input(source, image_key=options.image_key)
    skipped = Tally()
    first: ImageRef | Failure | None = None
    for item in listing:
        if isinstance(item, Skipped):
            skipped.add(item)
        elif not isinstance(item, Note):
            first = item
            break
    if first is None:
        raise sources.nothing_matched(source, skipped=skipped.counts)
    if options.image_key is not None and isinstance(first, ImageRef) and archive_kind(first.uri):
        _require_image_key(first, options)


def _require_image_key(archive: ImageRef, options: LabelOptions) -> None:
    """Stops if the first records have no such picture: all the others would be failures too."""
    members = read_members(archive, image_key=options.image_key, max_bytes=options.max_bytes)
    found = list(itertools.islice(_records(members), _FIRST_RECORDS))
    # The archive is open as long as its generator.
    members.close()
    without = [
        each for each in found if isinstance(each, Failure) and each.reason == Reason.NO_PICTURES
    ]
    if without and len(without) == len(found):
        first = without[0]
        raise UsageError(f"--image-key {options.image_key}: {first.uri}: {first.message}")


def _records(members: Iterable[Found]) -> Iterator[Member | Failure]:
    return (each for each in members if isinstance(each, Member | Failure))


def _label_map(options: LabelOptions, model: Network) -> LabelMap | None:
    if options.label_map is None:
        return None
    return load_label_map(
        options.label_map, classes=model.classes, threshold=options.label_threshold
    )


@contextlib.contextmanager
def _in_a_file(model: Network) -> Iterator[Network]:
    """The model with its content in a file too, from which workers of this machine read it."""
    with contextlib.ExitStack() as closing:
        try:
            made = tempfile.TemporaryDirectory(prefix="quantlabel-model-")
            path = Path(closing.enter_context(made), "model")
            path.write_bytes(model.content)
        except OSError as error:
            room = f"set TMPDIR to a folder with room for {len(model.content):,} bytes"
            raise UserError(f"a temporary file for the model: {error}; {room}") from error
        yield dataclasses.replace(model, path=str(path))


def _run(
    pipeline: beam.Pipeline, options: LabelOptions, *, started: str, console: Console | None
) -> None:
    try:
        runner.run(pipeline, options, console=console)
    except UserError as error:
        try:
            manifest = read_manifest(options.output)
        except (OSError, UserError):  # the storage may be what the run has failed with
            raise error from None
        if manifest.status == "failed" and manifest.started == started:
            raise UserError(f"the run has failed: {manifest.error}") from error
        raise
    finally:
        outage.release()


_ADVICE = "add --resume to go on where it stopped"


@contextlib.contextmanager
def _kept_for_resume(attempt: str) -> Iterator[None]:
    """Leaves a failed attempt behind if --resume can make use of it, and says so."""
    try:
        yield
    except (UserError, KeyboardInterrupt) as error:
        if not _has_pieces(attempt):
            raise
        if isinstance(error, KeyboardInterrupt):
            # Its text is what the command line tells.
            raise KeyboardInterrupt(_ADVICE) from error
        raise UserError(f"{error} ({_ADVICE})") from error


def _has_pieces(attempt: str) -> bool:
    """Whether --resume can make use of an attempt; if not, it is deleted."""
    try:
        if attempts.pieces(attempt):
            return True
    except OSError:  # the storage may be what the run has failed with; what is there stays
        return True
    with contextlib.suppress(OSError):
        files.delete_tree(attempt)
    return False
