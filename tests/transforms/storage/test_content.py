from __future__ import annotations

import errno

import pytest

from transforms.storage.content import require_at_most


def test_the_limit_itself_is_allowed() -> None:
    require_at_most(10, 10, "/a.jpg")
    with pytest.raises(OSError, match="11 bytes, the limit is 10") as raised:
        require_at_most(10, 11, "/a.jpg")
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, "/a.jpg")
