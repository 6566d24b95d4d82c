"""What tests of a storage share."""

from __future__ import annotations

import pytest

from transforms.errors import UserError
from transforms.storage import files

MEDIA = "/download/storage/v1/b/bkt/o/a.jpg"
"""Where the emulator serves the content of `gs://bkt/a.jpg`."""


def refusal_of(path: str) -> str:
    """What a user is told of a path whose storage cannot be used."""
    with pytest.raises(UserError) as raised:
        files.require_access(path, what=f"--input {path}")
    return str(raised.value)
