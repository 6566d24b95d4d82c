"""Annotations that pycocotools reads."""

from __future__ import annotations

from pathlib import Path

from pycocotools.coco import COCO

from tests.helpers.exports import exported


def test_cocos_own_reader_takes_the_file(run: Path) -> None:
    assert exported(run, "coco-classification")["rows"] == 5
    coco = COCO(run / "__export/coco-classification/annotations.json")
    assert sorted(coco.imgs) == sorted(coco.anns) == [1, 2, 3, 4, 5]
    assert {at: category["name"] for at, category in coco.cats.items()} == {
        1: "tench",
        2: "goldfish",
        3: "crane (135)",
        4: "crane (518)",
    }
    (second,) = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
    assert second == {"id": 2, "image_id": 2, "category_id": 4, "score": 0.25}
    (archived,) = coco.loadImgs([5])
    assert archived["file_name"] == "/data/shard-0.tar#dir/g#h.jpg"
    assert (archived["width"], archived["height"]) == (96, 64)
    assert sorted(coco.getImgIds(catIds=[1])) == [3, 5]
