"""Some pictures of a run, labelled again and compared with their rows bit for bit."""

from __future__ import annotations

import collections
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.run.relabel import Relabeller
from transforms.failures import Reason, Stage
from transforms.inputs.archives.members import named_archive
from transforms.records import Failure, ImageRef, Prediction
from transforms.resume.row_values import DECIDING, Made, is_outdated
from transforms.rows.schema import prediction_table
from transforms.storage.addresses import name_of

_COMPARED = [name for name in Prediction._fields if name not in ("uri", "meta")]


class Sample:
    """Rows picked at random while all rows pass by, the same ones for the same run.

    Outdated ones, which would have other values today, are counted and left out.

    Args:
        size: how many.
        seed: what the choice depends on.
        rows: how many will pass by.
        made: how they were made.

    Attributes:
        outdated: how many of all rows are outdated.
    """

    def __init__(self, size: int, *, seed: Any, rows: int, made: Made) -> None:
        self.outdated = 0
        self._made = made
        # As a text, which seeds alike in every process.
        text = hashlib.sha256(json.dumps(seed, sort_keys=True).encode()).hexdigest()
        # In order of rows, which pass by once.
        self._chosen = sorted(random.Random(text).sample(range(rows), min(size, rows)))
        self._passed = 0
        self._tables: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Lets rows pass by."""
        end = self._passed + table.num_rows
        rows = [row - self._passed for row in self._chosen if self._passed <= row < end]
        outdated = self._outdated(table)
        self.outdated += len(outdated)
        if rows:
            current = [row for row in rows if row not in outdated]
            self._tables.append(table.take(pa.array(current, pa.int64())))
        self._passed = end

    def _outdated(self, table: pa.Table) -> set[int]:
        if not self._made.may_be_outdated:
            return set()
        rows = table.select(DECIDING).to_pylist()
        return {at for at, row in enumerate(rows) if is_outdated(row, self._made)}

    def table(self) -> pa.Table:
        """The rows that were picked."""
        # Shards of earlier releases have other metadata, which tables must share to be joined.
        return pa.concat_tables([table.replace_schema_metadata(None) for table in self._tables])


class Compared(NamedTuple):
    """What came of labelling pictures again.

    Attributes:
        pictures: how many were compared.
        problems: which rows are wrong.
        gone: uris of pictures that are no longer there.
        changed: uris whose content is another than that of the row, and so is size or version.
        unread: uris that cannot be read now.
    """

    pictures: int
    problems: list[str]
    gone: list[str]
    changed: list[str]
    unread: list[str]


def label_again(rows: pa.Table, relabel: Relabeller) -> Compared:
    """Labels the pictures of rows again, one by one: company in a batch must not matter.

    Args:
        rows: of predictions.
        relabel: labels as the run did.
    """
    uris: list[str] = rows.column("uri").to_pylist()
    names = [name_of(uri) for uri in uris]
    now = {result.uri: result for result in _labelled(names, relabel)}
    compared = Compared(0, [], [], [], [])
    for at, (uri, name) in enumerate(zip(uris, names, strict=True)):
        row, result = rows.slice(at, 1), now[name]
        problems = _problems(row, result)
        if problems is not None:
            compared.problems.extend(problems)
            compared = compared._replace(pictures=compared.pictures + 1)
        elif isinstance(result, Failure) and result.reason == Reason.NOT_FOUND:
            compared.gone.append(uri)
        elif isinstance(result, Failure) and result.stage == Stage.READ:
            compared.unread.append(uri)
        else:
            compared.changed.append(uri)
    return compared


def _labelled(uris: Sequence[str], relabel: Relabeller) -> Iterator[Prediction | Failure]:
    members: dict[str, list[str]] = collections.defaultdict(list)
    for uri in uris:
        archive = named_archive(ImageRef(uri))
        if archive is None:
            yield relabel(uri)
        else:
            members[archive].append(uri)
    for archive, of_shard in members.items():
        yield from relabel.members(archive, of_shard)


def _value(row: pa.Table, name: str) -> Any:
    return row.column(name)[0].as_py()


def _problems(row: pa.Table, result: Prediction | Failure) -> list[str] | None:
    """What is wrong with a row; None if another picture is there now, or none.

    That the same content lies there anew is no problem, and no reason not to compare.
    """
    uri = _value(row, "uri")
    same = (result.size, result.version) == (_value(row, "size"), _value(row, "version"))
    if isinstance(result, Failure):
        return [f"{uri}: cannot be labelled now: {result.reason}"] if same else None
    if not same and result.sha256 != _value(row, "sha256"):
        return None
    now = prediction_table([result])
    wrong = [
        name
        for name in _COMPARED
        if name != "version"
        and not row.column(name).equals(now.column(name))
        and not (name == "colour" and _value(row, name) is None)  # of a version without it
    ]
    return [f"{uri}: labelled again, it differs in {', '.join(wrong)}"] if wrong else []
