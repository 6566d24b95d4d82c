"""Which column is the uri; whole lists are in test_input_lists."""

from __future__ import annotations

import pytest

from transforms.inputs.uri_columns import NoUriError, is_current, unnamed_columns, uri_of_rows


def test_bytes_are_names_and_numbers_are_not() -> None:
    way = uri_of_rows(["uri"])
    assert way.read({"uri": b"caf\xe9"}) == "caf\udce9"
    assert way.read({"uri": 7}) is None
    assert way.note is None


def test_keys_are_decoded_only_where_they_are_encoded() -> None:
    row = {"bucket": "b", "key": "a%2Bb+c"}
    assert uri_of_rows(["bucket", "key"], url_encoded=True).read(row) == "s3://b/a+b c"
    assert uri_of_rows(["bucket", "key"]).read(row) == "s3://b/a%2Bb+c"
    assert uri_of_rows(["bucket", "key"]).read({"bucket": None, "key": "a"}) is None


def test_no_column_is_named() -> None:
    with pytest.raises(NoUriError, match=r"no column 'uri' \(found: nothing\)"):
        uri_of_rows([])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({}, True),
        ({"IsLatest": "true", "IsDeleteMarker": "false"}, True),
        ({"IsLatest": "FALSE"}, False),
        ({"is_latest": False}, False),
        ({"is_delete_marker": True}, False),
        ({"timeDeleted": ""}, True),
        ({"timeDeleted": "2026-01-01"}, False),
        ({"is_latest": None}, True),
        ({"noncurrent_time": "2026-01-01T00:00:00+0000"}, False),
        ({"soft_delete_time": "2026-01-01T00:00:00+0000"}, False),
        ({"type": "cloud_object", "metadata": {"softDeleteTime": "2026-01-01"}}, False),
        ({"type": "cloud_object", "metadata": {"generation": "17"}}, True),
        ({"metadata": {"timeDeleted": "what a user calls so"}}, True),
    ],
)
def test_replaced_and_deleted_objects(row: dict[str, object], expected: bool) -> None:
    assert is_current(row) is expected


@pytest.mark.parametrize(
    ("line", "cells", "expected"),
    [
        ('"my-bucket","a/b.jpg"', ["my-bucket", "a/b.jpg"], ["bucket", "key"]),
        ('"b-1","a","3"', ["b-1", "a", "3"], ["bucket", "key", "column 3"]),
        (
            '"b-1","a","","false","true","7"',
            ["b-1", "a", "", "false", "true", "7"],
            ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "column 6"],
        ),
        (
            '"b-1","a","7","true","x"',
            ["b-1", "a", "7", "true", "x"],
            ["bucket", "key", "column 3", "column 4", "column 5"],
        ),
        ("my-bucket,a/b.jpg", ["my-bucket", "a/b.jpg"], None),  # nothing says what this is
        ('"bucket","key"', ["bucket", "key"], None),
        ('"a.jpg","cat"', ["a.jpg", "cat"], None),
        ('"My","a"', ["My", "a"], None),
        ('"my-bucket"', ["my-bucket"], None),
        ('"my-bucket",""', ["my-bucket", ""], None),
    ],
)
def test_the_first_line_of_an_inventory_without_a_header(
    line: str, cells: list[str], expected: list[str] | None
) -> None:
    assert unnamed_columns(line, cells) == expected
