"""What a user is told whom a storage refuses."""

from __future__ import annotations

import pytest

from transforms.errors import UserError
from transforms.storage import files


def refusal_of(path: str) -> str:
    with pytest.raises(UserError) as raised:
        files.require_access(path, what=f"--input {path}")
    return str(raised.value)
