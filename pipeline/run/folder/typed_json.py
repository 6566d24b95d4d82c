"""JSON that somebody else may have written or damaged, as dataclasses and named tuples."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar, Union

from transforms.errors import UserError

_LARGEST = 2**63 - 1

_T = TypeVar("_T")


def loads(content: bytes) -> Any:
    """Parses JSON as the standard has it.

    Raises:
        ValueError: it is none, or holds NaN or text that is no Unicode, or is nested deeper than
            Python's parser can follow.
    """
    try:
        value = json.loads(content, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # JSON can spell half of a surrogate pair
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def build(kind: type[_T], value: Any) -> _T:
    """A value of a type, from what JSON holds. Keys that the type does not know are left out.

    Whole numbers count something in everything that is read so: they are 0 or more.

    Args:
        kind: a dataclass or a named tuple; the types of its fields may be other ones, str, int,
            float, bool, None, Literal, unions, and tuples or mappings of them. A class with a
            method `from_dict` builds itself.
        value: from `loads`.

    Raises:
        ValueError: it does not hold what it should; the message names the key.
    """
    return typing.cast("_T", _built(kind, value, ""))


def _built(kind: Any, value: Any, key: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, key)
    if origin is Literal:
        return value if value in arguments and isinstance(value, str) else _fail(key, kind, value)
    if origin is tuple:
        items = value if isinstance(value, list) else _fail(key, kind, value)
        return tuple(_built(arguments[0], item, f"{key}[{at}]") for at, item in enumerate(items))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {
            _built(str, name, key): _built(arguments[1], item, _under(key, name))
            for name, item in _object(kind, value, key).items()
        }
    if hasattr(kind, "from_dict"):
        return _checked(kind.from_dict, _object(kind, value, key), key)
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        return _record(kind, value, key)
    return value if _is(kind, value) else _fail(key, kind, value)


def _one_of(kinds: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (each for each in kinds if each is not type(None))
    return _built(kind, value, key)


def _record(kind: Any, value: Any, key: str) -> Any:
    hints = typing.get_type_hints(kind)
    if isinstance(value, list) and hasattr(kind, "_fields"):  # how JSON writes a named tuple
        value = dict(zip(hints, value, strict=False))
    values = _object(kind, value, key)
    given = {
        name: _built(hint, values[name], _under(key, name))
        for name, hint in hints.items()
        if name in values
    }
    for name in _required(kind):
        if name not in given:
            raise ValueError(f"{_under(key, name)} is missing")
    return _checked(lambda fields: kind(**fields), given, key)


def _required(kind: Any) -> list[str]:
    if not dataclasses.is_dataclass(kind):
        return [name for name in kind._fields if name not in kind._field_defaults]
    missing = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing and field.default_factory is missing
    ]


def _checked(make: Any, values: Mapping[str, Any], key: str) -> Any:
    """Made by a class that checks its values itself."""
    try:
        return make(values)
    except (UserError, ValueError) as error:
        raise ValueError(f"{key}: {error}" if key else str(error)) from error


def _object(kind: Any, value: Any, key: str) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _fail(key, kind, value)


def _is(kind: Any, value: Any) -> bool:
    # In Python True is an int; in JSON it is none.
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and 0 <= value <= _LARGEST
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind)


def _under(key: str, name: Any) -> str:
    return f"{key}.{name}" if key else str(name)


def _fail(key: str, kind: Any, value: Any) -> NoReturn:
    expected = getattr(kind, "__name__", str(kind)) if typing.get_origin(kind) is None else kind
    found = repr(value)
    short = found if len(found) <= 60 else f"{found[:57]}..."
    raise ValueError(f"{key or 'the whole'}: expected {expected}, found {short}")
