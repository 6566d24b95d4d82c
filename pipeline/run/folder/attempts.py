"""Attempts at a run: what a run writes before it is finished, and what becomes of it.

    OUTPUT/_unfinished-<id>/_RUN.json              which run this is
                            predictions-<id>.arrow     pieces, complete from their first moment on
                            merged-<id>.<format>       shards before they have their names
                            _ARCHIVES-<id>.jsonl       archives that were read to their end
                            _ARCHIVES.jsonl            all of them
                            _COMMIT.json           all is written; what remains is to give names

An attempt that dies without `_COMMIT.json` has changed nothing in the output folder, and its pieces
are there for `--resume`. One that dies with it is finished by the next run: each step can be done
twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.run.folder import owner
from pipeline.run.folder.manifest import Identity, Manifest, as_json, from_json, read_manifest
from pipeline.run.options import CHANGE_ROWS
from transforms.errors import UserError
from transforms.inputs.archives.finished import read_finished, write_finished
from transforms.network.label_map import LabelMap
from transforms.resume.check_files import Found
from transforms.rows.kinds import ANY_KIND, RowKind, kind_of
from transforms.rows.names import ARCHIVES, MANIFEST, SUCCESS, UNFINISHED
from transforms.rows.publish import (
    Move,
    delete_markers,
    delete_stale,
    publish,
    require_sources,
)
from transforms.rows.shards import PIECES
from transforms.storage import files

_RUN = "_RUN.json"
_COMMIT = "_COMMIT.json"
_CURE = "Delete its folder, and run again."

_PIECE = re.compile(rf"({ANY_KIND})-[0-9a-f]{{32}}\.{PIECES}")
_STEM, _SUFFIX = map(re.escape, ARCHIVES.split("."))
_ARCHIVES = re.compile(rf"{_STEM}-[0-9a-f]{{32}}\.{_SUFFIX}")


@dataclasses.dataclass(frozen=True)
class _Commit:
    """What is left to do: the content of `_COMMIT.json`."""

    manifest: Manifest
    moves: tuple[Move, ...]


def new(folder: str) -> str:
    """Where an attempt will be, which is nowhere else."""
    return files.join(folder, f"{UNFINISHED}{uuid.uuid4().hex[:12]}")


def begin(attempt: str, identity: Identity) -> None:
    """Makes an attempt."""
    files.write_bytes(files.join(attempt, _RUN), as_json(identity.as_dict()))


def unfinished(folder: str) -> list[str]:
    """Folders of all attempts in an output folder."""
    return [files.join(folder, name) for name in files.folders(folder, prefix=UNFINISHED)]


def pieces(attempt: str) -> list[str]:
    """Names of the files with rows that an attempt has written, damaged ones included."""
    return [name for name in files.names(attempt) if _PIECE.fullmatch(name)]


def discard(folder: str, *, but: str | None = None) -> None:
    """Deletes all attempts, except `but`."""
    for attempt in unfinished(folder):
        if attempt != but:
            files.delete_tree(attempt)


def commit(
    folder: str,
    attempt: str,
    manifest: Manifest,
    moves: Sequence[Move],
    archives: Sequence[str] = (),
) -> None:
    """Makes an attempt the result. From the first byte on it is one, whatever happens.

    Does nothing if it has been made the result already: services run a last step again whose answer
    got lost.

    Args:
        folder: of the outputs.
        attempt: the folder of what is not finished.
        manifest: of the run.
        moves: of files with rows.
        archives: files of the attempt with what is known of archives.

    Raises:
        UserError: another run has the folder, or has finished in it.
    """
    if not files.exists(files.join(attempt, _RUN)):
        if not _is_published(folder, manifest):
            raise _discarded(folder)
        return
    if archives:
        found = [each for path in archives for each in read_finished(path)]
        found.sort(key=lambda each: each.uri)
        write_finished(files.join(attempt, ARCHIVES), found)
    # Before the record: afterwards others would finish what it says.
    owner.renew(folder, attempt)
    record = {"manifest": manifest.as_dict(), "moves": moves}
    files.write_bytes(files.join(attempt, _COMMIT), as_json(record))
    _finish(folder, attempt, by=attempt)


def _is_published(folder: str, manifest: Manifest) -> bool:
    """Whether the folder holds this very result."""
    return any(
        (there.started, there.status, there.files)
        == (manifest.started, manifest.status, manifest.files)
        for there in _manifests(folder)
    )


def recover(folder: str, *, by: str, replace: bool) -> None:
    """Finishes the attempt that died while it gave its files their names, if there is one.

    One whose files are gone can not be finished. It is forgotten if that costs nothing: a run has
    finished in the folder, or is to be replaced.

    Args:
        folder: of the outputs.
        by: attempt of the run that does it.
        replace: whether that run replaces what is there.

    Raises:
        UserError: some of its files have vanished meanwhile, or another run has the folder.
    """
    for attempt in unfinished(folder):
        # One without is of use to --resume, and stays.
        if _COMMIT not in files.names(attempt):
            continue
        try:
            require_sources(folder, _record(attempt).moves)
        except UserError as error:
            if not (replace or files.exists(files.join(folder, SUCCESS))):
                raise UserError(f"{error} --overwrite begins anew.") from error
            files.delete([files.join(attempt, _COMMIT)])  # its pieces may still be of use
        else:
            _finish(folder, attempt, by=by)


def _finish(folder: str, attempt: str, *, by: str) -> None:
    """Each step can be done twice; none is done in a folder that is no longer `by`'s."""
    record = _record(attempt)
    manifest, moves = record.manifest, record.moves
    require_sources(folder, moves)
    _require_own(folder, attempt, by=by)
    # Nobody may take the folder for finished while files of two runs are in it.
    delete_markers(folder)
    publish(folder, moves)
    _require_own(folder, attempt, by=by)  # moving may have taken long
    for kind in RowKind:
        delete_stale(folder, kind=kind, current=[move.shard for move in moves])
    _publish_archives(folder, attempt)
    content = as_json(manifest.as_dict())
    # The manifest before its marker: who finds `_SUCCESS` finds everything.
    files.write_bytes(files.join(folder, MANIFEST), content)
    if manifest.status == "succeeded":
        files.write_bytes(files.join(folder, SUCCESS), success(content))
    discard(folder, but=attempt)  # the record goes last: until then it can be read again
    files.delete_tree(attempt)


def _publish_archives(folder: str, attempt: str) -> None:
    source, target = files.join(attempt, ARCHIVES), files.join(folder, ARCHIVES)
    if ARCHIVES in files.names(attempt):
        files.write_bytes(target, files.read_bytes(source))
    else:
        files.delete([target])


def _require_own(folder: str, attempt: str, *, by: str) -> None:
    owner.renew(folder, by)
    if not files.exists(files.join(attempt, _COMMIT)):
        raise _discarded(folder)


def _discarded(folder: str) -> UserError:
    return UserError(
        f"--output {folder}: another run has discarded what this one had not finished. Nothing of "
        "it was published."
    )


def _record(attempt: str) -> _Commit:
    path = files.join(attempt, _COMMIT)
    return from_json(_Commit, files.read_bytes(path), path, cure=_CURE)


def success(manifest: bytes) -> bytes:
    """The content of `_SUCCESS`: the manifest's digest, as `sha256sum --check` reads it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def stored_files(folder: str, *, attempt: str, identity: Identity) -> Iterator[Found]:
    """Files with rows of earlier runs in a folder, made as this run makes them.

    Those of an earlier release may hold rows that are outdated, see `Found.made`.

    Args:
        folder: the output folder.
        attempt: of this run; its own files do not count.
        identity: of this run.
    """
    for manifest in _manifests(folder):
        if not differences(manifest, identity):
            for shard in manifest.files:
                yield Found(shard.kind, manifest.made, folder, shard.name, shard)
    for other, run in _others(folder):
        if other != attempt and not differences(run, identity):
            for name in pieces(other):
                yield Found(kind_of(name), run.made, other, name)


def archive_files(folder: str, *, attempt: str, identity: Identity) -> Iterator[str]:
    """Files with what earlier runs know of archives, where their rows are as this run makes them.

    Args:
        folder: the output folder.
        attempt: of this run.
        identity: of this run.
    """
    for manifest in _manifests(folder):
        if not differences(manifest, identity) and ARCHIVES in files.names(folder):
            yield files.join(folder, ARCHIVES)
    for other, run in _others(folder):
        if other != attempt and not differences(run, identity):
            names = filter(_ARCHIVES.fullmatch, files.names(other))
            yield from (files.join(other, name) for name in names)


def require_same(folder: str, identity: Identity) -> None:
    """Refuses to add rows to those of another model or other options.

    Raises:
        UserError: rows in the folder were made otherwise.
    """
    for there in [*_manifests(folder), *(run for _, run in _others(folder))]:
        if found := differences(there, identity):
            raise UserError(
                f"--resume: the rows in {folder} were made otherwise ({'; '.join(found)}). "
                "Choose another folder or the same options, or add --overwrite to replace them."
            )


def differences(there: Identity, here: Identity) -> list[str]:
    """What makes rows differ between two runs, for a message; nothing if their rows are alike.

    Rows of an earlier release are looked at one by one, see `transforms.resume.row_values`; what a
    later one changed nobody knows here.
    """
    values = zip(_decisive(there).items(), _decisive(here).values(), strict=True)
    found = [(name, old, new) for (name, old), new in values if old != new]
    if there.row_values != here.row_values:
        found = [each for each in found if each[0] != "--colour"]
    if there.row_values > here.row_values:
        found.insert(0, ("row values", there.row_values, here.row_values))
    return [f"{name} {old} there, {new} now" for name, old, new in found]


def _decisive(run: Identity) -> dict[str, Any]:
    # Of what an option only names it is the content that counts.
    contents = {
        "model": run.model.sha256,
        "classes": run.model.classes.sha256[:8],
        "label_map": _digest(run.label_map),
    }
    values = {name: getattr(run.options, name) for name in CHANGE_ROWS} | contents
    return {f"--{name.replace('_', '-')}": value for name, value in values.items()}


def _digest(label_map: LabelMap | None) -> str | None:
    """It is too long for a message."""
    if label_map is None:
        return None
    return hashlib.sha256(as_json(label_map.as_dict())).hexdigest()[:8]


def _manifests(folder: str) -> list[Manifest]:
    """The manifest of a folder, if it has one."""
    try:
        return [read_manifest(folder)]
    except FileNotFoundError:
        return []


def _others(folder: str) -> Iterator[tuple[str, Identity]]:
    """The attempts in a folder and what they say of themselves."""
    for attempt in unfinished(folder):
        if _RUN in files.names(attempt):  # else it is half made or half deleted
            path = files.join(attempt, _RUN)
            yield attempt, from_json(Identity, files.read_bytes(path), path, cure=_CURE)
