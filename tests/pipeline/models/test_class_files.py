from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.models.class_files import LabelFile, class_file, classes_of, parse
from pipeline.models.hints import NetworkHints
from transforms.errors import UserError
from transforms.network.classes import Classes, imagenet


@pytest.mark.parametrize(
    "content",
    [
        "cat\nsea lion\n7 up\n",
        "\ufeffcat\r\nsea lion\r\n7 up\r\n\r\n\n",
        "0 cat\n1 sea lion\n2 7 up",
        "2  7 up\n0  cat\n1  sea lion\n",
        "index,name\n0,cat\n1,sea lion\n2,7 up\n",
        'ID,label\n1,"sea lion"\n0,cat\n2,7 up\n',
        '"index","name"\r\n"0","cat"\r\n"1","sea lion"\r\n"2","7 up"\r\n',
        "index,class name\n0,cat\n1,sea lion\n2,7 up\n",
        "0: cat\n1: sea lion\n2: 7 up\n",
        "0\tcat\n1\tsea lion\n2\t7 up\n",
    ],
)
def test_a_file_names_the_classes_in_order(content: str) -> None:
    assert parse(content.encode(), "f") == ["cat", "sea lion", "7 up"]


def test_labels_that_begin_with_numbers_are_no_numbered_lines() -> None:
    assert parse(b"7 up\n101 dalmatians\n", "f") == ["7 up", "101 dalmatians"]
    assert parse(b"0\n1\n2\n", "f") == ["0", "1", "2"]
    assert parse(b"0 1 star\n1 2 stars\n", "f") == ["1 star", "2 stars"]


def test_a_label_may_hold_a_comma() -> None:
    assert parse(b'0,"lion, sea"\n1,cat\n', "f") == ["lion, sea", "cat"]
    assert parse(b"lion, sea\ncat\n", "f") == ["lion, sea", "cat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f: the file is empty; expected one class a line"),
        (b"cat\n\ndog\n", "f line 2: there is no label; expected one class a line"),
        (b"0 cat\n2 dog\n", "f: class 1 is missing, class 2 is there"),
        (b"0 cat\n0 dog\n", "f: class 0 is there twice"),
        (
            b"index,name\n1,cat\n2,dog\n",
            "f: its lines are numbered from 1 to 2; number them from 0, before the label "
            "even if that begins with a number",
        ),
        (b"\xff\xfe\0", "f: expected a text file in UTF-8, one class a line"),
        (b"a\0b", "f: expected a text file, one class a line"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(content, "f")
    assert str(raised.value) == message


def test_the_users_file_goes_before_that_of_the_network(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("cat\ndog\n", "utf-8")
    found = LabelFile("beside", b"a\nb\n")
    hints = NetworkHints(classes=str(tmp_path / "own.txt"))
    assert classes_of(2, hints, found=found).classes.labels == ["cat", "dog"]
    assert classes_of(2, NetworkHints(), found=found).classes.labels == ["a", "b"]


def test_a_wrong_count_is_one_line_with_both_numbers(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("cat\ndog\n", "utf-8")
    with pytest.raises(UserError) as raised:
        classes_of(5, NetworkHints(classes=str(tmp_path / "own.txt")))
    assert str(raised.value) == (f"--classes {tmp_path}/own.txt has 2 classes, the network 5")


def test_imagenet_is_known_by_its_names_and_never_assumed() -> None:
    lines = "".join(f"{', '.join(each.names)}\n" for each in imagenet()).encode()
    assert classes_of(1001, NetworkHints(), found=LabelFile("f", lines)).classes is imagenet()
    without = lines.partition(b"\n")[2]
    found = classes_of(1000, NetworkHints(), found=LabelFile("f", without)).classes
    assert found is imagenet(background=False)
    assert (found[0].synset, found[999].label) == ("n01440764", "toilet tissue")
    with pytest.raises(UserError, match=r"^it has 1,000 classes and nothing says .* imagenet$"):
        classes_of(1000, NetworkHints())
    assert classes_of(1000, NetworkHints(classes="imagenet")).classes is found
    assert classes_of(1001, NetworkHints(), is_published=True).classes is imagenet()


def test_imagenet_has_1001_or_1000_classes() -> None:
    with pytest.raises(UserError) as raised:
        classes_of(5, NetworkHints(classes="imagenet"))
    assert str(raised.value) == "it has 5 classes; --classes imagenet has 1,001 or 1,000"


def test_one_number_is_no_list_of_classes() -> None:
    with pytest.raises(UserError, match=r"^it gives one number for a picture"):
        classes_of(1, NetworkHints(classes=Classes.own(["a"])))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--classes .*/x\.txt: cannot be read: "):
        class_file(str(tmp_path / "x.txt"))
