"""`meta`: whatever comes along with a picture, as one JSON object."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

# Levels of lists and objects: what readers of JSON take at least. Python's own gives up at about a
# thousand, and the rows have to come through all that read them.
_MAX_DEPTH = 100

_SURROGATE = re.compile("[\ud800-\udfff]")


def meta_json(values: Mapping[str, Any]) -> str | None:
    """The values as a JSON object, or None if there are none.

    JSON has no NaN or infinity: they become null, as in pandas and DuckDB, and so does what is
    nested deeper than `_MAX_DEPTH`. What is not valid Unicode would stop a writer hours later: it
    becomes the replacement character.
    """
    if not values:
        return None
    text = json.dumps(_json_value(values), ensure_ascii=False, default=str)
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def _json_value(value: Any, depth: int = 0) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _json_value(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(inner, depth + 1) for inner in value]
    return value
