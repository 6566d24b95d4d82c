"""The page: a survey and its pictures to one HTML text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pipeline.console.units import byte_size, pictures
from pipeline.report import charts
from pipeline.report.columns import file_name, thumbnail_columns
from pipeline.report.duplicates import Duplicates
from pipeline.report.evaluation import EvaluationPart
from pipeline.report.failures import FailureKind
from pipeline.report.own_labels import no_label
from pipeline.report.survey import MEGAPIXEL_BINS, SCORE_BINS, ClassCount, Survey
from pipeline.report.thumbnails import Thumbnail
from pipeline.run.folder.manifest import Manifest
from pipeline.run.folder.own_labels import OwnLabels
from transforms.inputs.skips import in_words, notes_in_words

HINT = "it needs the extra, pip install 'quantlabel[analysis]'; then run quantlabel report again"

_BARS = 20

_SCRIPTS = (
    "data",
    "elements",
    "state",
    "virtual",
    "picture",
    "plane",
    "labels",
    "scores",
    "sheet",
    "zoom",
    "toolbar",
    "facts",
    "main",
)
"""Parts of the one script, in the order in which they stand in it."""

_SERVED = (*_SCRIPTS[:-1], "server", _SCRIPTS[-1])
"""The same on a page that comes from a server."""


@dataclasses.dataclass
class Content:
    """Everything that a page shows.

    Attributes:
        folder: of the run.
        paths: whether the page may say where things are.
        manifest: of the run.
        survey: counts.
        own: labels in place of the classes, if any.
        are_labelled: whether there are any labels, of whom ever.
        duplicates: groups of the same picture.
        failures: by reason, the most frequent first.
        evaluation: the section on accuracy, if there is a truth.
        rows_json: the rows, of `in_json`.
        thumbnails: by the position of their row, if there are any for it.
    """

    folder: str
    paths: bool
    manifest: Manifest
    survey: Survey
    own: OwnLabels | None
    are_labelled: bool
    duplicates: Duplicates
    failures: Sequence[FailureKind]
    evaluation: EvaluationPart | None
    rows_json: Markup
    thumbnails: Mapping[int, Thumbnail]

    @property
    def failed(self) -> int:
        """Pictures without a label, of those that are reported on."""
        return sum(kind.count for kind in self.failures)

    @property
    def pictures(self) -> int:
        """How many are reported on."""
        return self.survey.rows + self.failed


def in_json(data: Any) -> Markup:
    """JSON that ends a script element only where it says </script>: < > & ' are escaped."""
    return htmlsafe_json_dumps(data, ensure_ascii=False, separators=(",", ":"))


def ranked(found: Survey) -> list[tuple[int, ClassCount]]:
    """Class ids and counts, the most frequent first: the order of labels on the page."""
    return sorted(found.classes.items(), key=lambda item: (-item[1].count, item[0]))


def render(content: Content, *, endpoint: str | None = None) -> str:
    """The HTML of a report, UTF-8 text. Whatever comes from rows is escaped by the template.

    Args:
        content: what it shows.
        endpoint: address of the picture of a row on the server that the page comes from, with
            `{row}` for its position; None for a file that asks nobody. See `pipeline.view`.
    """
    environment = jinja2.Environment(
        # StrictUndefined: a name that the template has wrong is an error, not an empty place.
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    script = _script(_SCRIPTS if endpoint is None else _SERVED)
    found, own = content.survey, content.own
    return environment.get_template("page.html").render(
        title=_title(content),
        folder=content.folder if content.paths else "",
        finished=content.manifest.finished[:16].replace("T", " "),
        manifest=content.manifest,
        model=_model_name(content),
        survey=found,
        duplicates=content.duplicates,
        failed=content.failed,
        pictures=content.pictures,
        failures=content.failures,
        paths=content.paths,
        name=file_name,
        sections=[each for each in _SECTIONS if each[0] not in _left_out(content)],
        are_labelled=content.are_labelled,
        tiles=_tiles(content, own),
        given=_given(found, own),
        own=own,
        charts=_charts(found),
        classes_caption=f"The {min(_BARS, len(found.classes))} most frequent",
        score_table=_score_table(found),
        formats=found.format_counts.most_common(),
        shapes=_shapes(found),
        identity=_identity(content),
        evaluation=content.evaluation,
        settings=in_json(_settings(content, endpoint)),
        rows=content.rows_json,
        thumbnails=in_json(_thumbnails(content)),
        style=Markup(_resource("page.css")),
        script=Markup(script),
        # No other script runs, whatever a label or the name of a file may hold.
        script_hash=_csp_hash(script),
        # Pictures of the page itself; and originals from this machine's disk, or from the server.
        sources=_sources(content, endpoint),
        served=endpoint is not None,
    )


_SECTIONS = (
    ("classes", "Classes"),
    ("scores", "Scores"),
    ("evaluation", "Against the truth"),
    ("duplicates", "Duplicates"),
    ("files", "Sizes and formats"),
    ("failures", "Failures"),
    ("identity", "Model and settings"),
)


_OF_LABELS = {"classes", "scores"}


def _left_out(content: Content) -> set[str]:
    """Sections about which there is nothing to say."""
    return ({"evaluation"} if content.evaluation is None else set()) | (
        set() if content.are_labelled else _OF_LABELS
    )


def _script(names: Sequence[str]) -> str:
    parts = "\n".join(_resource(f"{name}.js") for name in names)
    return f'"use strict";\n(() => {{\n{parts}\n}})();'


def _sources(content: Content, endpoint: str | None) -> str:
    if endpoint:
        return "'self' data:"
    return "data: file:" if content.paths else "data:"


def _settings(content: Content, endpoint: str | None) -> dict[str, Any]:
    """How the script finds pictures, and what it says of the rows."""
    manifest = content.manifest
    return {
        "endpoint": endpoint,
        "paths": content.paths,
        "own": content.own is not None,
        "noun": "labels" if content.own else "classes",
        "hint": f"No map: {HINT}." if content.paths and manifest.model.feature_size else "",
        # Of a picture to search by, in bytes; 0 where there is nothing to compare.
        "most": manifest.options.max_bytes if endpoint and manifest.model.feature_size else 0,
    }


def _thumbnails(content: Content) -> dict[str, Any]:
    found = content.thumbnails.items()
    missing = {
        place: each.missing if content.paths else "no picture"
        for place, each in found
        if not each.jpeg
    }
    jpegs = {place: each.jpeg for place, each in found if each.jpeg}
    return {**thumbnail_columns(jpegs), "missing": missing}


def _resource(name: str) -> str:
    return (
        importlib.resources.files("pipeline.report")
        .joinpath("web", name)
        .read_text(encoding="utf-8")
    )


def _csp_hash(script: str) -> str:
    """How a Content-Security-Policy names the one script that may run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _title(content: Content) -> str:
    name = content.folder.rstrip("/").rsplit("/", 1)[-1]
    inputs = content.manifest.inputs
    some = f"{content.pictures:,} of " if content.pictures < inputs else ""
    return f"{some}{pictures(inputs)} in {name}"


class _Tile(NamedTuple):
    name: str
    value: str
    bad: bool = False


def _given(found: Survey, own: OwnLabels | None) -> int:
    """Labels or classes that at least one picture has."""
    return len(found.classes) - bool(own and no_label(own) in found.classes)


def _tiles(content: Content, own: OwnLabels | None) -> list[_Tile]:
    found = content.survey
    tiles = [
        _Tile("pictures", f"{content.pictures:,}"),
        _Tile("labelled", f"{found.rows:,}"),
        _Tile("failed", f"{content.failed:,}", bad=content.failed > 0),
    ]
    if content.are_labelled:
        tiles += [
            _Tile("labels of yours" if own else "classes", f"{_given(found, own):,}"),
            _Tile("median score", _median(found)),
        ]
    if own and no_label(own) in found.classes:
        tiles.append(_Tile("without a label", f"{found.classes[no_label(own)].count:,}"))
    if content.duplicates.groups:
        extra = content.duplicates.pictures - content.duplicates.groups
        tiles.append(_Tile("could go as duplicates", f"{extra:,}"))
    if found.sized:
        tiles.append(_Tile("a file on average", byte_size(found.file_bytes // found.sized)))
    return tiles


def _median(found: Survey) -> str:
    """From the bins, interpolated within the one that holds it."""
    below = np.cumsum(found.score_counts)
    index = int(np.searchsorted(below, found.rows / 2))
    before = below[index] - found.score_counts[index]
    share = (found.rows / 2 - before) / found.score_counts[index]
    return f"{(index + share) / SCORE_BINS:.0%}"


def _charts(found: Survey) -> dict[str, Markup]:
    largest = ranked(found)[:_BARS]
    kept = np.cumsum(found.score_counts[::-1])[::-1] / found.rows
    points = [(index / SCORE_BINS, float(share)) for index, share in enumerate(kept)] + [(1.0, 0.0)]
    return {
        "classes": charts.bars(
            [(entry.label, entry.count) for _, entry in largest],
            title="The most frequent classes and their pictures",
        ),
        "scores": charts.histogram(
            found.score_counts.tolist(),
            [f"{index / SCORE_BINS:.0%}" for index in range(SCORE_BINS)],
            title="Pictures by score of the first guess",
            axis="score",
            edges=True,
        ),
        "kept": charts.curves(
            [charts.Curve("pictures with this score or more", "", points)],
            title="Share of the pictures that have at least a score",
            axis="score",
        ),
        "megapixels": charts.histogram(
            found.megapixel_counts.tolist(),
            list(MEGAPIXEL_BINS),
            title="Pictures by megapixels",
            axis="megapixels",
        ),
    }


def _score_table(found: Survey) -> list[tuple[str, int, int, float]]:
    kept = np.cumsum(found.score_counts[::-1])[::-1]
    return [
        (f"{index / SCORE_BINS:.0%}", int(count), int(rest), float(rest / found.rows))
        for index, (count, rest) in enumerate(zip(found.score_counts, kept, strict=True))
    ]


def _shapes(found: Survey) -> str:
    shapes = ", ".join(f"{count:,} {name}" for name, count in found.shapes.most_common() if count)
    if not found.sized:
        return f"{shapes}."
    return f"{shapes}. {byte_size(found.file_bytes)} in {found.sized:,} files."


def _model_name(content: Content) -> str:
    name = content.manifest.model.name
    return name if content.paths else file_name(name)


def _identity(content: Content) -> list[tuple[str, str]]:
    manifest, paths = content.manifest, content.paths
    model = manifest.model
    preprocessing = manifest.preprocess.as_dict()
    lines = [
        ("model", _model_name(content)),
        ("sha256 of the model", model.sha256),
        ("input", f"{model.input_in_words.replace('x', ' x ')} pixels"),
        ("feature vector", f"{model.feature_size} numbers"),
        *((f"preprocessing: {name}", str(value)) for name, value in preprocessing.items()),
        ("quantlabel", manifest.version),
        ("started", manifest.started),
        ("finished", manifest.finished),
        ("skipped files", _skipped(manifest) if paths else f"{manifest.skipped:,}"),
        *([("read as", notes_in_words(manifest.read_as))] if manifest.read_as and paths else []),
        ("paths listed twice", f"{manifest.duplicates:,}"),
    ]
    options = dataclasses.asdict(manifest.options)
    given = {name: value for name, value in options.items() if value not in (None, ())}
    return lines + [
        (f"option {name}", _option(value))
        for name, value in given.items()
        if paths or isinstance(value, bool | int | float)  # texts may be paths
    ]


def _skipped(manifest: Manifest) -> str:
    kinds = in_words(manifest.skipped_by_kind)
    return f"{manifest.skipped:,}" + (f": {kinds}" if kinds else "")


def _option(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
