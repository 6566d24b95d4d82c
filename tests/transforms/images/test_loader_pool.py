from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from transforms.images.loader import Loader
from transforms.images.loader_pool import LoaderPool
from transforms.images.settings import Preprocessing
from transforms.inputs.archives.members import Member
from transforms.records import Failure, Image, ImageRef

_LOADER = Loader(Preprocessing(size=32))


def _png(grey: int) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(np.full((40, 50, 3), grey, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_pictures_that_are_loaded_together_stay_in_order_and_fail_apart(tmp_path: Path) -> None:
    refs = [ImageRef(str(tmp_path / f"{number}.png")) for number in range(5)]
    for number in (0, 1, 3, 4):
        (tmp_path / f"{number}.png").write_bytes(
            _png(10 * number) if number != 3 else b"no picture"
        )
    work = LoaderPool().submit(_LOADER, refs)
    assert work.count == 5
    results = work.results()
    assert [type(result) for result in results] == [Image, Image, Failure, Failure, Image]
    found = [int(result.pixels[0, 0, 0]) for result in results if isinstance(result, Image)]
    assert found == [0, 10, 40]
    failed = [result for result in results if isinstance(result, Failure)]
    assert [(each.uri, each.stage) for each in failed] == [
        (refs[2].uri, "read"),
        (refs[3].uri, "decode"),
    ]


def test_a_member_of_an_archive_holds_its_bytes_meanwhile() -> None:
    data = _png(7)
    work = LoaderPool().submit_member(_LOADER, Member(ImageRef("/a.tar#7.png"), data))
    assert (work.count, work.size) == (1, len(data))
    (result,) = work.results()
    assert isinstance(result, Image)
    assert result.ref.uri == "/a.tar#7.png"
