"""Failures by reason, with examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

EXAMPLES = 5


@dataclasses.dataclass
class FailureKind:
    """Pictures that failed for one reason at one stage.

    Attributes:
        reason: a code of `transforms.failures.Reason`.
        stage: read, decode or infer.
        retryable: whether another try may succeed.
        count: how many.
        examples: the first `EXAMPLES` rows, with `uri` and `message`.
    """

    reason: str
    stage: str
    retryable: bool
    count: int = 0
    examples: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def by_reason(tables: Iterable[pa.Table]) -> list[FailureKind]:
    """The failures of a run, the most frequent reason first."""
    kinds: dict[tuple[str, str], FailureKind] = {}
    for table in tables:
        for row in table.select(["reason", "stage", "retryable", "uri", "message"]).to_pylist():
            key = row["reason"], row["stage"]
            kind = kinds.setdefault(key, FailureKind(*key, row["retryable"]))
            kind.count += 1
            if len(kind.examples) < EXAMPLES:
                kind.examples.append({"uri": row["uri"], "message": row["message"]})
    return sorted(kinds.values(), key=lambda kind: (-kind.count, kind.reason, kind.stage))
