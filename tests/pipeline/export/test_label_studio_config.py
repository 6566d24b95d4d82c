"""Addresses and choices as Label Studio takes them."""

from __future__ import annotations

from xml.etree import ElementTree

from pipeline.export.label_studio_config import image_address, labelling_config


def test_addresses_and_names_are_escaped() -> None:
    assert image_address("gs://bucket/a b.jpg") == "gs://bucket/a b.jpg"
    assert image_address("/a b/é#1.jpg") == "/data/local-files/?d=a%20b/%C3%A9%231.jpg"
    xml = labelling_config(['a "<b>" & c'])
    assert ElementTree.fromstring(xml)[1][0].get("value") == 'a "<b>" & c'
