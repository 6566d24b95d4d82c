"""What tests of a storage share."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers.clock import FakeClock
from transforms.errors import StorageOutError, UserError
from transforms.storage import files

MEDIA = "/download/storage/v1/b/bkt/o/a.jpg"
"""Where the emulator serves the content of `gs://bkt/a.jpg`."""


def refusal_of(path: str) -> str:
    """What a user is told of a path whose storage cannot be used."""
    with pytest.raises(UserError) as raised:
        files.require_access(path, what=f"--input {path}")
    return str(raised.value)


def outcomes_of(paths: Sequence[str], clock: FakeClock) -> list[str]:
    """What reading pictures side by side comes to: their text, or the name of the error."""

    def outcome(path: str) -> str:
        try:
            with clock.one_of(len(paths)):
                return files.read(path, max_bytes=100).data.decode()
        except (OSError, StorageOutError) as error:
            return type(error).__name__

    with ThreadPoolExecutor(len(paths)) as threads:
        return list(threads.map(outcome, paths))
