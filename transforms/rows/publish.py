"""From files with made-up names to the shards of a run: names, moves and what has to go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from transforms.errors import UserError
from transforms.rows.formats import FORMATS
from transforms.rows.kinds import RowKind
from transforms.rows.names import MANIFEST, SUCCESS
from transforms.rows.shards import Piece, Shard
from transforms.storage import files
from transforms.storage.files import digest


class Move(NamedTuple):
    """A file and the shard of the output folder that it becomes."""

    source: str
    shard: Shard


def final_names(pieces: Sequence[Piece], *, kind: RowKind, format: str) -> list[Move]:
    """Gives every piece its final name, see `RowKind.shard_name`.

    The order is that of their digests, which does not depend on which worker finished first. Shards
    of an earlier run keep the name that they have where it is one of these: no file has to make
    room for another, so that a move which was interrupted can be done again.
    """
    total = len(pieces)
    names = [kind.shard_name(at, of=total, format=format) for at in range(total)]
    # Names of shards that stay and are among those of this run.
    settled = {piece.shard.name for piece in pieces if piece.published} & set(names)
    free = (name for name in names if name not in settled)
    moves = []
    for piece in sorted(pieces, key=lambda piece: (piece.shard.sha256, piece.path)):
        stays = piece.published and piece.shard.name in settled
        name = piece.shard.name if stays else next(free)
        moves.append(Move(piece.path, piece.shard._replace(name=name)))
    return sorted(moves, key=lambda move: move.shard.name)


def publish(folder: str, moves: Iterable[Move]) -> None:
    """Moves files to their names in `folder`. Doing it twice does no harm: runners retry.

    Raises:
        UserError: a file is neither where it was written nor where it belongs.
    """
    files.move(require_sources(folder, moves))


def require_sources(folder: str, moves: Iterable[Move]) -> list[tuple[str, str]]:
    """Looks for all files that are to be moved, before anything is changed.

    Returns:
        From where to where those go that are not there yet.

    Raises:
        UserError: a file is neither where it was written nor where it belongs.
    """
    pairs = []
    for source, shard in moves:
        target = files.join(folder, shard.name)
        if source == target:
            continue
        if files.exists(source):
            pairs.append((source, target))
        else:  # an earlier try has moved it, or somebody has deleted it
            _require_moved(target, shard)
    return pairs


def delete_markers(folder: str) -> None:
    """Makes a folder an unfinished one."""
    files.delete([files.join(folder, name) for name in (SUCCESS, MANIFEST)])


def delete_stale(folder: str, *, kind: RowKind, current: Iterable[Shard]) -> None:
    """Deletes the shards of a kind that are not `current`, in whatever format.

    Versions before 0.2.0 wrote all of them into the folder itself.
    """
    pattern = re.compile(rf"{kind.value}-\d+-of-\d+\.({'|'.join(map(re.escape, FORMATS))})")
    kept = {files.join(folder, shard.name) for shard in current}
    for place in {folder, files.join(folder, kind.folder) if kind.folder else folder}:
        stale = [files.join(place, name) for name in files.names(place) if pattern.fullmatch(name)]
        files.delete([path for path in stale if path not in kept])


def _require_moved(path: str, shard: Shard) -> None:
    if not files.exists(path) or digest(path) != (shard.size, shard.sha256):
        raise UserError(
            f"{path}: its {shard.rows} rows were written and then vanished before they got their "
            "name. Let no other run or program write to the folder, and run again."
        )
