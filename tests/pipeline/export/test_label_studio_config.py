"""Addresses and choices as Label Studio takes them."""

from __future__ import annotations

from xml.etree import ElementTree

from pipeline.export.label_studio_config import image_address, labelling_config


def test_addresses_and_names_are_escaped() -> None:
    assert image_address("gs://bucket/a b.jpg") == "gs://bucket/a b.jpg"
    assert image_address("/a b/é#1.jpg") == "/data/local-files/?d=a%20b/%C3%A9%231.jpg"
    xml = labelling_config(['a "<b>" & c'])
    assert ElementTree.fromstring(xml)[0][0].get("value") == 'a "<b>" & c'


def test_choices_come_before_the_picture_and_a_dollar_is_no_variable() -> None:
    choices, image = ElementTree.fromstring(labelling_config(["$x", "a$x"]))
    assert (choices.tag, image.tag) == ("Choices", "Image")
    assert [choice.attrib for choice in choices] == [
        {"alias": "$x", "value": "\u200b$x"},
        {"value": "a$x"},
    ]
