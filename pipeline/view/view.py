"""`quantlabel view`: the page of a finished run, served until somebody ends it."""

from __future__ import annotations

import contextlib
import re
import threading
import webbrowser
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from pipeline.explore.search import COLUMNS, most_similar
from pipeline.report.page import render
from pipeline.report.write import Gathered
from pipeline.run.folder.finished import FinishedRun
from pipeline.run.relabel import Relabeller
from pipeline.view.options import ViewOptions
from pipeline.view.pictures import Pictures
from pipeline.view.selections import Selections
from pipeline.view.server import PageServer, RefusedError, Reply, Route, Routes, as_json
from transforms.records import Failure

NEAREST = 60
"""Pictures that a search finds: some screens full."""

_MOST_SELECTION = 2_000_000
"""Bytes of a selection on its way here: 100,000 positions are 0.7 MB."""

_ROW = re.compile("[0-9]{1,9}")

_OF_PICTURES = {
    # Opened by itself, nothing in it is run, and nothing else is loaded.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    # The sheet shows the same ones again and again.
    "Cache-Control": "private, max-age=3600",
}


def view(gathered: Gathered, options: ViewOptions, *, notes: Console) -> list[str]:
    """Prints the address of the page, and serves it until Ctrl-C.

    Args:
        gathered: what the page shows.
        options: where, and with which model.
        notes: where a word on how to end it goes.

    Returns:
        Paths of the selections that were saved.

    Raises:
        UserError: the port cannot be had.
    """
    saved: list[str] = []
    with PageServer(routes(gathered, options, saved), port=options.port) as server:
        print(server.address, flush=True)
        notes.print("Ctrl-C ends it.", markup=False)
        if options.open:
            # Some browsers of terminals come back only when they are closed.
            open_page = threading.Thread(target=webbrowser.open, args=[server.address], daemon=True)
            open_page.start()
        with contextlib.suppress(KeyboardInterrupt):  # the way it ends
            server.serve_forever()
    return saved


def routes(gathered: Gathered, options: ViewOptions, saved: list[str]) -> Routes:
    """Everything that the page can ask for.

    Args:
        gathered: what it shows.
        options: with which model.
        saved: gets the path of each selection that is saved.
    """
    run, rows = gathered.run, gathered.rows
    page = render(gathered.content, endpoint="picture/{row}").encode()
    pictures = Pictures(rows, run.manifest)
    search = Search(run, rows, model=options.model)
    selections = Selections(run.folder, rows["uri"].to_pylist())

    def whole(name: str, _: bytes) -> Reply:
        if name:
            raise RefusedError(404, "there is nothing at this address")
        return Reply(page, "text/html; charset=utf-8")

    def picture(row: str, _: bytes) -> Reply:
        content, type_ = pictures(_number(row, rows.num_rows))
        return Reply(content, type_, _OF_PICTURES)

    def like(row: str, _: bytes) -> Reply:
        return as_json({"near": search.like(_number(row, rows.num_rows))})

    def selection(name: str, _: bytes) -> Reply:
        if not name:
            return as_json({"names": selections.names()})
        return as_json({"rows": selections.rows(name)})

    def save(name: str, body: bytes) -> Reply:
        count = selections.save(name, body)
        saved.append(selections.path(name))
        return as_json({"path": saved[-1], "rows": count}, status=201)

    return {
        ("GET", ""): Route(whole),
        ("GET", "picture"): Route(picture),
        ("GET", "like"): Route(like),
        ("GET", "selections"): Route(selection),
        ("POST", "selections"): Route(save, _MOST_SELECTION),
        ("POST", "search"): Route(
            lambda _, body: as_json({"near": search(body)}), run.manifest.options.max_bytes
        ),
    }


def _number(row: str, count: int) -> int:
    if not _ROW.fullmatch(row) or int(row) >= count:
        raise RefusedError(404, "there is no such row")
    return int(row)


class Search:
    """The rows of a page that look most like a picture.

    The model is loaded for the first one that is no row itself.

    Args:
        run: whose model and rows.
        rows: of the page, with `uri`.
        model: where the model is now, or None for where the run found it.
    """

    def __init__(self, run: FinishedRun, rows: pa.Table, *, model: str | None) -> None:
        self._run = run
        self._uris = rows["uri"].combine_chunks()
        self._places = {uri: place for place, uri in enumerate(self._uris.to_pylist())}
        self._model = model
        self._relabeller: Relabeller | None = None
        self._turn = threading.Lock()

    def __call__(self, data: bytes) -> list[tuple[int, float]]:
        """Positions on the page and cosines, the nearest first.

        Args:
            data: the content of a picture file.

        Raises:
            RefusedError: it is no picture, or the run has no vectors.
            UserError: the run's model cannot be had any more.
        """
        self._require_vectors()
        with self._turn:  # the model takes one picture at a time
            if self._relabeller is None:
                self._relabeller = Relabeller(self._run.manifest, model=self._model)
            found = self._relabeller.of_bytes(data)
        if isinstance(found, Failure):
            raise RefusedError(422, f"{found.reason}: {found.message}")
        return self._nearest(found.embedding)

    def like(self, row: int) -> list[tuple[int, float]]:
        """The same for a row of the page, itself among them, by the vector that it has.

        Raises:
            RefusedError: the run has no vectors.
        """
        self._require_vectors()
        uri = self._uris[row]
        for table in self._run.predictions(columns=COLUMNS):
            if len(found := table.filter(pc.equal(table["uri"], uri))):
                return self._nearest(np.array(found["embedding"][0].as_py(), np.float32))
        raise RefusedError(404, "the row is not there any more")

    def _require_vectors(self) -> None:
        if not self._run.manifest.model.feature_size:
            raise RefusedError(422, "the rows have no feature vectors to compare")

    def _nearest(self, wanted: npt.NDArray[np.float32]) -> list[tuple[int, float]]:
        near = most_similar(self._tables(), wanted, k=NEAREST)
        return [(self._places[row["uri"]], round(row["similarity"], 4)) for row in near]

    def _tables(self) -> Iterator[pa.Table]:
        """The rows of the page: of a large run they are a part."""
        for table in self._run.predictions(columns=COLUMNS):
            yield table.filter(pc.is_in(table["uri"], value_set=self._uris))
