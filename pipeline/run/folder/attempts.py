"""Attempts at a run: what a run writes before it is finished, and what becomes of it.

    OUTPUT/_unfinished-<id>/_RUN.json              which run this is
                            predictions-<id>.arrow     pieces, complete from their first moment on
                            merged-<id>.<format>       shards before they have their names
                            _COMMIT.json           all is written; what remains is to give names

An attempt that dies without `_COMMIT.json` has changed nothing in the output folder, and its pieces
are there for `--resume`. One that dies with it is finished by the next run: each step can be done
twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.run.folder import owner
from transforms.errors import UserError
from transforms.resume.check_files import Found
from transforms.rows.names import MANIFEST, SUCCESS, UNFINISHED
from transforms.rows.publish import (
    Move,
    delete_markers,
    delete_stale,
    publish,
    require_sources,
)
from transforms.rows.shards import PIECES, Shard
from transforms.storage import files

KINDS = ("predictions", "failures")

_RUN = "_RUN.json"
_COMMIT = "_COMMIT.json"
_PIECE = re.compile(rf"(predictions|failures)-[0-9a-f]{{32}}\.{PIECES}")


def new(folder: str) -> str:
    """Where an attempt will be, which is nowhere else."""
    return files.join(folder, f"{UNFINISHED}{uuid.uuid4().hex[:12]}")


def begin(attempt: str, identity: Mapping[str, Any]) -> None:
    """Makes an attempt."""
    files.write_bytes(files.join(attempt, _RUN), as_json(identity))


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


def commit(folder: str, attempt: str, manifest: Mapping[str, Any], moves: Sequence[Move]) -> None:
    """Makes an attempt the result. From the first byte on it is one, whatever happens.

    Does nothing if it has been made the result already: services run a last step again whose answer
    got lost.

    Raises:
        UserError: another run has the folder, or has finished in it.
    """
    if not files.exists(files.join(attempt, _RUN)):
        if not _is_published(folder, manifest):
            raise _discarded(folder)
        return
    owner.renew(folder, attempt)
    record = {"manifest": manifest, "moves": moves}
    files.write_bytes(files.join(attempt, _COMMIT), as_json(record))
    _finish(folder, attempt, by=attempt)


def _is_published(folder: str, manifest: Mapping[str, Any]) -> bool:
    """Whether the folder holds this very result."""
    same = ("started", "status", "files")
    return any(
        [there.get(name) for name in same] == [manifest.get(name) for name in same]
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
        if _COMMIT not in files.names(attempt):
            continue
        try:
            require_sources(folder, _moves(_record(attempt)))
        except UserError as error:
            if not (replace or files.exists(files.join(folder, SUCCESS))):
                raise UserError(f"{error} --overwrite begins anew.") from error
            files.delete([files.join(attempt, _COMMIT)])  # its pieces may still be of use
        else:
            _finish(folder, attempt, by=by)


def _finish(folder: str, attempt: str, *, by: str) -> None:
    """Each step can be done twice; none is done in a folder that is no longer `by`'s."""
    record = _record(attempt)
    manifest, moves = record["manifest"], _moves(record)
    require_sources(folder, moves)
    _require_own(folder, attempt, by=by)
    delete_markers(folder)
    publish(folder, moves)
    _require_own(folder, attempt, by=by)  # moving may have taken long
    for kind in KINDS:
        delete_stale(folder, kind=kind, current=[move.shard for move in moves])
    content = as_json(manifest)
    files.write_bytes(files.join(folder, MANIFEST), content)
    if manifest["status"] == "succeeded":
        files.write_bytes(files.join(folder, SUCCESS), success(content))
    discard(folder, but=attempt)  # the record goes last: until then it can be read again
    files.delete_tree(attempt)


def _require_own(folder: str, attempt: str, *, by: str) -> None:
    owner.renew(folder, by)
    if not files.exists(files.join(attempt, _COMMIT)):
        raise _discarded(folder)


def _discarded(folder: str) -> UserError:
    return UserError(
        f"--output {folder}: another run has discarded what this one had not finished. Nothing of "
        "it was published."
    )


def _record(attempt: str) -> dict[str, Any]:
    return _read_json(files.join(attempt, _COMMIT))


def _moves(record: Mapping[str, Any]) -> list[Move]:
    return [Move(source, Shard(*shard)) for source, shard in record["moves"]]


def _read_json(path: str) -> dict[str, Any]:
    try:
        content = json.loads(files.read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error}). Delete its folder, and run again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: damaged (no object). Delete its folder, and run again.")
    return content


def as_json(content: Mapping[str, Any]) -> bytes:
    """For people to read as well."""
    return f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode()


def success(manifest: bytes) -> bytes:
    """The content of `_SUCCESS`: the manifest's digest, as `sha256sum --check` reads it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def stored_files(folder: str, *, attempt: str, identity: Mapping[str, Any]) -> Iterator[Found]:
    """Files with rows of earlier runs in a folder that are the rows of this run.

    Args:
        folder: the output folder.
        attempt: of this run; its own files do not count.
        identity: of this run.
    """
    for manifest in _manifests(folder):
        if not differences(manifest, identity):
            yield from _shards(folder, manifest)
    for other, run in _others(folder):
        if other != attempt and not differences(run, identity):
            for name in pieces(other):
                yield Found(name.split("-")[0], other, name)


def require_same(folder: str, identity: Mapping[str, Any]) -> None:
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


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What makes rows differ between two runs, for a message; nothing if their rows are alike."""
    values = zip(_decisive(there).items(), _decisive(here).values(), strict=True)
    return [f"{name} {old} there, {new} now" for (name, old), new in values if old != new]


def _decisive(identity: Mapping[str, Any]) -> dict[str, Any]:
    options = identity.get("options", {})
    return {
        "version": identity.get("version"),
        "model": identity.get("model", {}).get("sha256"),
        "preprocessing": identity.get("preprocess"),
        "label map": _digest(identity.get("label_map")),
        **{
            f"--{name.replace('_', '-')}": options.get(name)
            for name in ("top_k", "temperature", "max_pixels", "max_bytes", "image_key")
        },
    }


def _digest(value: Any) -> str | None:
    """Of something too long for a message."""
    return value and hashlib.sha256(as_json(value)).hexdigest()[:8]


def _manifests(folder: str) -> list[dict[str, Any]]:
    """The manifest of a folder, if it has one."""
    try:
        content = files.read_bytes(files.join(folder, MANIFEST))
    except FileNotFoundError:
        return []
    try:
        return [json.loads(content)]
    except ValueError as error:
        raise UserError(
            f"{folder}/{MANIFEST}: damaged ({error}). Delete it, and all pictures are labelled."
        ) from error


def _others(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The attempts in a folder and what they say of themselves."""
    for attempt in unfinished(folder):
        if _RUN in files.names(attempt):  # else it is half made or half deleted
            yield attempt, _read_json(files.join(attempt, _RUN))


def _shards(folder: str, manifest: Mapping[str, Any]) -> Iterator[Found]:
    for file in manifest["files"]:
        shard = Shard(**file)
        yield Found(shard.name.split("-")[0], folder, shard.name, shard)
