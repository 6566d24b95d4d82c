from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from transforms.errors import UserError
from transforms.rows.kinds import RowKind
from transforms.rows.publish import Move, delete_stale, final_names, publish
from transforms.rows.shards import Piece, Shard


def _piece(folder: Path, name: str, *, published: bool = False) -> Piece:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(name.encode())
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Piece(str(folder), Shard(name, 1, len(name), digest), published)


@pytest.fixture
def staged(tmp_path: Path) -> list[Piece]:
    """Two files in a folder for what is not finished, in order of their digests."""
    pieces = [_piece(tmp_path / "_staging", name) for name in ("u.parquet", "v.parquet")]
    return sorted(pieces, key=lambda piece: piece.shard.sha256)


def _publish(folder: Path, pieces: list[Piece]) -> list[Move]:
    moves = final_names(pieces, kind=RowKind.PREDICTION, format="parquet")
    publish(str(folder), moves)
    return moves


def _content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.glob("predictions-*")}


def test_publishing_twice_does_no_harm(tmp_path: Path, staged: list[Piece]) -> None:
    expected = {
        f"predictions-{at:05d}-of-00002.parquet": piece.shard.name
        for at, piece in enumerate(staged)
    }
    for order in (staged, staged[::-1]):
        moves = _publish(tmp_path, order)
        assert [move.shard.name for move in moves] == list(expected)
        assert _content(tmp_path) == expected


@pytest.mark.parametrize("old", [None, b"rows of an earlier run"])
def test_a_shard_that_vanished_fails_the_run(
    tmp_path: Path, staged: list[Piece], old: bytes | None
) -> None:
    Path(staged[1].path).unlink()
    if old is not None:
        (tmp_path / "predictions-00001-of-00002.parquet").write_bytes(old)
    with pytest.raises(UserError, match="rows were written and then vanished"):
        _publish(tmp_path, staged)


def test_a_shard_that_stays_keeps_its_name_and_others_go_around_it(
    tmp_path: Path, staged: list[Piece]
) -> None:
    stays = _piece(tmp_path, "predictions-00001-of-00003.parquet", published=True)
    moves = _publish(tmp_path, [*staged, stays])
    assert _content(tmp_path) == {
        "predictions-00000-of-00003.parquet": staged[0].shard.name,
        "predictions-00001-of-00003.parquet": stays.shard.name,
        "predictions-00002-of-00003.parquet": staged[1].shard.name,
    }
    assert [move.shard.sha256 for move in moves].index(stays.shard.sha256) == 1


def test_a_shard_that_stays_is_renamed_with_the_count(tmp_path: Path, staged: list[Piece]) -> None:
    stays = _piece(tmp_path, "predictions-00000-of-00001.parquet", published=True)
    for _ in range(2):
        moves = _publish(tmp_path, [*staged, stays])
    assert sorted(_content(tmp_path).values()) == sorted(
        piece.shard.name for piece in [*staged, stays]
    )
    assert {name[-17:] for name in _content(tmp_path)} == {"-of-00003.parquet"}
    delete_stale(str(tmp_path), kind=RowKind.PREDICTION, current=[moves[0].shard])
    assert list(_content(tmp_path)) == [moves[0].shard.name]
