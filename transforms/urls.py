"""Addresses as people may see them."""

from __future__ import annotations

import urllib.parse


def shown(url: str) -> str:
    """`url` as messages and outputs show it: without user, password, query and fragment.

    Signed URLs carry their secret in the query. Whatever is no http(s) URL stays as it is: a
    question mark in the name of a file or an object is part of the name.
    """
    if not url.lower().startswith(("http://", "https://")):
        return url
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", ""))
