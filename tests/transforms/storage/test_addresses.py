from __future__ import annotations

import pytest

from transforms.storage.addresses import name_of, resolved, shown, text, without_credentials


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://h/img?id=1", "https://h/img?id=1"),
        ("ftp://user:secret@h/a.jpg", "ftp://user:***@h/a.jpg"),
        ("ftp://user:se#c?r@t@h/a.jpg", "ftp://user:***@h/a.jpg"),
        ("sftp://token@h/a.jpg", "sftp://***@h/a.jpg"),
        ("https://h/a?id=1&sig=abc&n=2", "https://h/a?id=1&sig=***63906248&n=2"),
        ("https://h/a?X-Amz-Security-Token=abc", "https://h/a?X-Amz-Security-Token=***63906248"),
        ("https://h/a#access_token=abc", "https://h/a#access_token=***63906248"),
        ("http://[bad/x.jpg", "http://[bad/x.jpg"),
        ("gs://bkt/a?key=b.jpg", "gs://bkt/a?key=b.jpg"),
        ("/photos/a@b?key=c.jpg", "/photos/a@b?key=c.jpg"),
    ],
)
def test_a_row_names_a_uri_without_its_credentials(uri: str, expected: str) -> None:
    assert without_credentials(uri) == expected


def test_uris_that_differ_in_a_credential_alone_stay_apart() -> None:
    one, other = (without_credentials(f"https://h/a?token={n}") for n in (1, 2))
    assert one != other


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:password@host:8443/a/b?sig=x#y", "https://host:8443/a/b"),
        ("http://[bad/x.jpg?sig=x", "http://[bad/x.jpg"),
        ("ftp://user:secret@h/a.jpg", "ftp://user:***@h/a.jpg"),
    ],
)
def test_messages_show_a_url_without_its_secrets(url: str, expected: str) -> None:
    assert shown(url) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("caf\u00e9.jpg", "caf\u00e9.jpg"),
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        (r"caf\xe9.jpg", r"caf\x5cxe9.jpg"),
        (r"caf\x5cxe9.jpg", r"caf\x5cx5cxe9.jpg"),
        ("\udcff\\x80", r"\xff\x5cx80"),
        (r"C:\xEb\x5D\n\\x7f", r"C:\xEb\x5D\n\\x7f"),
    ],
)
def test_two_names_are_two_texts_and_each_leads_back(name: str, expected: str) -> None:
    assert text(name) == expected
    assert name_of(expected) == name


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("a.jpg", "https://h.org/lists/a.jpg"),
        ("../b.jpg?w=1", "https://h.org/b.jpg?w=1"),
        ("/etc/passwd", "https://h.org/etc/passwd"),
        ("//other.org/x.jpg", "https://other.org/x.jpg"),
        ("//[bad/x.jpg", "https://[bad/x.jpg"),
        ("12:30.jpg", "https://h.org/lists/12:30.jpg"),
        ("~/x.jpg", "https://h.org/lists/~/x.jpg"),
        ("file:///etc/passwd", "file:///etc/passwd"),  # which no storage reads
        ("file:/etc/passwd", "https://h.org/lists/file:/etc/passwd"),
        ("http://other.org/x.jpg", "http://other.org/x.jpg"),
    ],
)
def test_a_list_of_a_web_server_names_nothing_of_this_machine(uri: str, expected: str) -> None:
    assert resolved(uri, beside="https://h.org/lists/l.csv") == expected


def test_the_scheme_of_a_list_may_be_in_capitals() -> None:
    assert resolved("/etc/passwd", beside="HTTP://h.org/l.csv") == "http://h.org/etc/passwd"
