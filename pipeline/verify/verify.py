"""Holds a run folder against what it says of itself."""

from __future__ import annotations

import dataclasses
import itertools
import json
import posixpath
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.run.folder.attempts import success
from pipeline.run.folder.manifest import Manifest, parse
from pipeline.run.relabel import Relabeller
from pipeline.verify.inputs import ListedAgain
from pipeline.verify.options import VerifyOptions
from pipeline.verify.rows import Repeats, failure_problems, prediction_problems
from pipeline.verify.sample import Sample, label_again
from transforms._version import ROW_VALUES
from transforms.errors import UserError
from transforms.inputs.skips import in_words
from transforms.rows.formats import FORMATS
from transforms.rows.kinds import ANY_KIND, RowKind
from transforms.rows.names import FAILURES_FOLDER, MANIFEST, SUCCESS
from transforms.rows.reader import read_rows
from transforms.rows.shards import Shard
from transforms.storage import files as storage
from transforms.storage.files import digest

# Problems of a kind that are named; the others are counted.
_SHOWN = 20

# Pictures that are named for people where there is nothing wrong.
_NAMED = 3

# What readers take for a shard: they ask for `predictions-*.parquet`.
_SHARD = re.compile(rf"({ANY_KIND})-.*\.({'|'.join(map(re.escape, FORMATS))})")


@dataclasses.dataclass
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the check.
        found: what was counted, for people.
        problems: the first of them, one line each.
        count: how many there are.
        done: False if it could not be looked at.
        counts: what was counted, for programs.
        named: what of these was not looked at, all of it, for programs.
    """

    name: str
    found: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)
    count: int = 0
    done: bool = True
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    named: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add(self, problems: Iterator[str]) -> None:
        """Takes problems, of which the first ones are kept."""
        for problem in problems:
            self.count += 1
            if len(self.problems) < _SHOWN:
                self.problems.append(problem)


def verify(options: VerifyOptions) -> list[Check]:
    """Checks a run folder. What is wrong is in the result; nothing is changed.

    Memory holds a table of 10,000 rows, 9 bytes for each row of the run (a hash of its uri, and
    whether its picture was listed; 16 while the hashes are sorted), and the sample.

    Raises:
        UserError: there is no manifest to check anything against, or the sample cannot be labelled.
    """
    manifest, marker = _manifest(options.folder)
    manifest.options.use_for_storage()
    files = Check("files", f"{len(manifest.files)} named in the manifest")
    files.add(_file_problems(options.folder, manifest))
    checks = [marker, files]
    # Rows of files that are not those of the run prove nothing.
    if files.count:
        return [*checks, Check("rows", "the files are not those of the manifest", done=False)]
    checks += _rows(options, manifest)
    return checks


def _manifest(folder: str) -> tuple[Manifest, Check]:
    """The manifest, and whether `_SUCCESS` vouches for it."""
    path = storage.join(folder, MANIFEST)
    try:
        content = storage.read_bytes(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{folder}: no readable {MANIFEST} is there. Expected the --output of quantlabel label."
        ) from error
    manifest = parse(content, path)
    check = Check("manifest", f"{manifest.inputs:,} inputs")
    check.add(_marker_problems(folder, content))
    check.add(_count_problems(manifest))
    return manifest, check


def _marker_problems(folder: str, manifest: bytes) -> Iterator[str]:
    try:
        marker = storage.read_bytes(storage.join(folder, SUCCESS))
    except FileNotFoundError:
        yield f"{SUCCESS} is missing: the run has not finished, or has failed"
        return
    if marker != success(manifest):
        yield f"{MANIFEST} was edited: {SUCCESS} holds the sha256 of another one"


def _count_problems(manifest: Manifest) -> Iterator[str]:
    inputs, predictions, failures = manifest.inputs, manifest.predictions, manifest.failures
    if inputs != predictions + failures:
        yield f"{inputs} inputs are not {predictions} predictions and {failures} failures"
    for kind, count in zip(RowKind, (predictions, failures), strict=True):
        rows = sum(shard.rows for shard in manifest.files if shard.kind is kind)
        if rows != count:
            yield f"{count} {kind.value}, but its files hold {rows}"


def _file_problems(folder: str, manifest: Manifest) -> Iterator[str]:
    for shard in manifest.files:
        try:
            size, sha256 = digest(storage.join(folder, shard.name))
        except FileNotFoundError:
            yield f"{shard.name} is missing"
            continue
        if size != shard.size:
            yield f"{shard.name} has {size} bytes, {shard.size} in the manifest"
        elif sha256 != shard.sha256:
            yield f"{shard.name} was changed: its sha256 is {sha256}"
    known = {shard.name for shard in manifest.files}
    for place in ("", FAILURES_FOLDER):
        for name in storage.names(storage.join(folder, place) if place else folder):
            path = posixpath.join(place, name)
            if _SHARD.fullmatch(name) and path not in known:
                yield f"{path} is not in the manifest"


def _rows(options: VerifyOptions, manifest: Manifest) -> list[Check]:
    """Everything that takes a look at each row; one pass over the predictions, one of failures."""
    rows, identity, once = Check("rows"), Check("identity"), Check("one row each")
    seed = [shard._asdict() for shard in manifest.files]
    sample = Sample(options.sample, seed=seed, rows=manifest.predictions, made=manifest.made)
    repeats = Repeats()
    for shard in manifest.files:
        path = storage.join(options.folder, shard.name)
        identity.add(_identity_problems(path, manifest))
        rows.add(_shard_problems(path, shard, manifest, repeats, sample))
    rows.found = f"{repeats.rows:,} in {len(manifest.files)} files"
    identity.found = f"model {manifest.model.sha256[:8]}"
    once.add(_repeat_problems(options.folder, manifest, repeats))
    once.found = f"{repeats.rows:,} rows, {manifest.inputs:,} inputs"
    checks = [rows, once, identity]
    if options.inputs:
        checks.append(_inputs(manifest, repeats))
    # Rows known to be wrong need no picture to say so.
    if options.sample and manifest.predictions and not rows.count:
        checks.append(_relabelled(options, manifest, sample))
    return checks


def _shard_problems(
    path: str, shard: Shard, manifest: Manifest, repeats: Repeats, sample: Sample
) -> Iterator[str]:
    count, last = 0, ""
    try:
        for table in read_rows(path, kind=shard.kind):
            count += table.num_rows
            uris = table.column("uri").to_pylist()
            repeats.add(uris)
            # Across tables too: `last` is that of the table before.
            if uris[0] < last or any(one > other for one, other in itertools.pairwise(uris)):
                yield f"{shard.name}: its rows are not sorted by uri"
            last = uris[-1]
            if shard.kind is RowKind.PREDICTION:
                sample.add(table)
                problems = prediction_problems(table, manifest)
            else:
                problems = failure_problems(table)
            yield from (f"{shard.name}: {problem}" for problem in problems)
    except (UserError, pa.ArrowException) as error:
        yield f"{shard.name} cannot be read: {error}"
        return
    if count != shard.rows:
        yield f"{shard.name} holds {count} rows, {shard.rows} in the manifest"


def _repeat_problems(folder: str, manifest: Manifest, repeats: Repeats) -> Iterator[str]:
    if repeats.rows != manifest.inputs:
        yield f"{manifest.inputs} inputs, but {repeats.rows} rows"
    suspects = repeats.suspects()
    if not suspects.size:
        return
    seen: dict[str, str] = {}
    for shard in manifest.files:
        path = storage.join(folder, shard.name)
        for table in read_rows(path, kind=shard.kind):
            for uri in repeats.among(table.column("uri").to_pylist(), suspects):
                if uri in seen:
                    yield f"{uri} has a row in {seen[uri]} and another in {shard.name}"
                seen.setdefault(uri, shard.name)


def _inputs(manifest: Manifest, repeats: Repeats) -> Check:
    """Whether every picture of the inputs has a row. That pictures come and go is no problem."""
    listed, check = ListedAgain(manifest, repeats.hashes()), Check("inputs")
    check.add(listed.problems())
    check.done = check.count > 0 or len(listed.unlisted) < len(manifest.options.inputs)
    check.counts = {
        name: getattr(listed, name) for name in ("pictures", "missing", "new", "gone", "unread")
    }
    skipped = in_words(listed.skipped.counts)
    found = [
        f"{listed.pictures:,} listed",
        f"{listed.new:,} without a row, newer than the run" if listed.new else "",
        f"{listed.gone:,} with a row are gone" if listed.gone and not listed.unlisted else "",
        f"{listed.unread:,} folders or archives cannot be read now" if listed.unread else "",
        f"{listed.skipped.total:,} skipped ({skipped})" if skipped else "",
        *listed.unlisted,
    ]
    check.found = "; ".join(filter(None, found))
    return check


def _identity_problems(path: str, manifest: Manifest) -> Iterator[str]:
    """Whether a Parquet file says that it was made as the manifest says.

    Its version may be another one: a resumed run keeps shards of earlier releases.
    """
    if not path.endswith(".parquet"):
        return
    with storage.open_read(path) as file:
        metadata = pq.read_schema(file).metadata or {}
    expected = {
        "quantlabel.model_sha256": manifest.model.sha256,
        "quantlabel.preprocess": json.dumps(manifest.preprocess.as_dict()),
    }
    for key, value in expected.items():
        found = metadata.get(key.encode(), b"nothing").decode()
        if found != value:
            yield f"{path.rsplit('/', 1)[-1]}: {key} is {found}, {value} in the manifest"


def _relabelled(options: VerifyOptions, manifest: Manifest, sample: Sample) -> Check:
    check = Check("labelled again")
    if manifest.row_values > ROW_VALUES:
        check.done = False
        check.found = (
            f"made by a newer quantlabel (row values {manifest.row_values}, this one makes "
            f"{ROW_VALUES}). Update it: pip install --upgrade quantlabel"
        )
        return check
    result = label_again(sample.table(), Relabeller(manifest, model=options.model))
    check.add(iter(result.problems))
    check.done = result.pictures > 0
    check.named = {"gone": result.gone, "changed": result.changed, "unread": result.unread}
    check.counts = {name: len(uris) for name, uris in check.named.items()}
    check.counts["outdated"] = sample.outdated
    found = [f"{result.pictures} pictures, every column compared"]
    found += [f"{len(uris)} {_WHY[name]}" for name, uris in check.named.items() if uris]
    if sample.outdated:
        found.append(
            f"not compared: {sample.outdated:,} of all rows, which an earlier release gave other "
            "values (label --resume makes them anew)"
        )
    check.found = "; ".join(found)
    return check


_WHY = {"gone": "are gone", "changed": "have changed", "unread": "cannot be read now"}


def _result(check: Check) -> str:
    if check.count:
        return f"[red]{check.count:,} wrong[/]"
    return "[green]ok[/]" if check.done else "[yellow]not checked[/]"


def print_checks(checks: list[Check], *, console: Console) -> None:
    """Prints a table of the checks and a list of what is wrong."""
    table = Table(box=None, pad_edge=False)
    for column in ("check", "result", "looked at"):
        table.add_column(column)
    for check in checks:
        table.add_row(check.name, _result(check), escape(check.found))
    console.print(table)
    for check in checks:
        for name, uris in check.named.items():
            for line in _some(uris):
                console.print(f"{check.name}: {name}: {line}", markup=False, soft_wrap=True)
        for problem in check.problems:
            console.print(f"{check.name}: {problem}", style="red", markup=False, soft_wrap=True)
        if check.count > len(check.problems):
            console.print(f"{check.name}: and {check.count - len(check.problems):,} more")


def _some(uris: list[str]) -> list[str]:
    more = len(uris) - _NAMED
    return uris[:_NAMED] + ([f"and {more:,} more, which --json names"] if more > 0 else [])
