from __future__ import annotations

from transforms.failures import Reason
from transforms.inputs.archives.base import is_picture_name, too_large


def test_a_member_over_the_limit_has_both_numbers() -> None:
    error = too_large(11, limit=10)
    assert (error.reason, str(error)) == (Reason.TOO_LARGE_BYTES, "11 bytes, the limit is 10")


def test_a_picture_is_told_by_its_extension() -> None:
    assert [is_picture_name(name) for name in ("a/b.JPG", "a.jpg/b", "jpg")] == [True, False, False]
