"""One way to every storage."""

from __future__ import annotations

import pytest

from tests.helpers.storage import refusal_of


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("azfs://bkt/a", "azfs:// needs an extra: pip install 'apache-beam[azure]'"),
        ("hdfs://host/a", "hdfs:// needs an extra: pip install 'apache-beam[hadoop]'"),
        ("ftp://host/a", "--input ftp://host/a: expected a local path, gs:// or s3://, not ftp://"),
    ],
)
def test_other_storage_says_what_to_install(path: str, message: str) -> None:
    assert refusal_of(path).startswith(message)
