"""Packages that only some commands need."""

from __future__ import annotations

import importlib.util

from transforms.errors import UserError


def require(*modules: str, extra: str, command: str) -> None:
    """Makes sure that the packages of an extra are there, without importing them.

    Args:
        modules: top-level modules that the command imports.
        extra: of this distribution, which brings them.
        command: what needs them.

    Raises:
        UserError: one is missing; the message says what to install.
    """
    missing = [name for name in modules if not is_there(name)]
    if missing:
        raise UserError(
            f"quantlabel {command} needs {', '.join(missing)}. Install the extra: "
            f"pip install 'quantlabel[{extra}]'"
        )


def is_there(module: str) -> bool:
    """Whether a top-level module is installed; it is not imported."""
    return importlib.util.find_spec(module) is not None
