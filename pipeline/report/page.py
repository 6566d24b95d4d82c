"""The page: a survey and its pictures to one HTML text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.resources
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pipeline.console.units import byte_size
from pipeline.report import charts
from pipeline.report.duplicates import Duplicates
from pipeline.report.evaluation import EvaluationPart
from pipeline.report.failures import FailureKind
from pipeline.report.own_labels import no_label
from pipeline.report.selection import Selection
from pipeline.report.survey import MEGAPIXEL_BINS, SCORE_BINS, Survey
from pipeline.report.thumbnails import Thumbnail
from pipeline.run.folder.manifest import Manifest
from pipeline.run.folder.own_labels import OwnLabels
from transforms.inputs.skips import in_words, notes_in_words
from transforms.storage.addresses import name_of

_BARS = 20
_TOP = 3


@dataclasses.dataclass
class Content:
    """Everything that a page shows.

    Attributes:
        folder: of the run.
        manifest: of the run.
        survey: counts.
        own: labels in place of the classes, if any.
        are_labelled: whether there are any labels, of whom ever.
        duplicates: groups of the same picture.
        failures: by reason, the most frequent first.
        selection: the pictures.
        thumbnails: one for each row of the selection.
        evaluation: the section on accuracy, if there is a truth.
    """

    folder: str
    manifest: Manifest
    survey: Survey
    own: OwnLabels | None
    are_labelled: bool
    duplicates: Duplicates
    failures: Sequence[FailureKind]
    selection: Selection
    thumbnails: Sequence[Thumbnail]
    evaluation: EvaluationPart | None

    @property
    def failed(self) -> int:
        """Pictures without a label, of those that are reported on."""
        return sum(kind.count for kind in self.failures)

    @property
    def pictures(self) -> int:
        """How many are reported on."""
        return self.survey.rows + self.failed


def render(content: Content) -> str:
    """The HTML of a report, UTF-8 text. Whatever comes from rows is escaped by the template."""
    environment = jinja2.Environment(
        # StrictUndefined: a name that the template has wrong is an error, not an empty place.
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    script = _resource("page.js")
    found, own = content.survey, content.own
    return environment.get_template("page.html").render(
        title=_title(content),
        folder=content.folder,
        finished=content.manifest.finished[:16].replace("T", " "),
        manifest=content.manifest,
        survey=found,
        duplicates=content.duplicates,
        selection=content.selection,
        failed=content.failed,
        pictures=content.pictures,
        failures=content.failures,
        sections=[each for each in _SECTIONS if each[0] not in _left_out(content)],
        are_labelled=content.are_labelled,
        tiles=_tiles(content, own),
        given=_given(found, own),
        own=own,
        charts=_charts(found),
        classes_caption=f"The {min(_BARS, len(found.classes))} most frequent",
        sheet_caption=_sheet_caption(content, own),
        score_table=_score_table(found),
        formats=found.format_counts.most_common(),
        shapes=_shapes(found),
        identity=_identity(content.manifest),
        evaluation=content.evaluation,
        # With < > & ' escaped: JSON inside a script element ends where it says </script>.
        data=htmlsafe_json_dumps(_data(content), ensure_ascii=False, separators=(",", ":")),
        style=Markup(_resource("page.css")),
        script=Markup(script),
        # No other script runs, whatever a label or the name of a file may hold.
        script_hash=_csp_hash(script),
    )


_SECTIONS = (
    ("classes", "Classes"),
    ("sheet", "Contact sheet"),
    ("uncertain", "Least certain"),
    ("scores", "Scores"),
    ("evaluation", "Against the truth"),
    ("duplicates", "Duplicates"),
    ("files", "Sizes and formats"),
    ("failures", "Failures"),
    ("identity", "Model and settings"),
)


_OF_LABELS = {"classes", "uncertain", "scores"}


def _left_out(content: Content) -> set[str]:
    """Sections about which there is nothing to say."""
    return ({"evaluation"} if content.evaluation is None else set()) | (
        set() if content.are_labelled else _OF_LABELS
    )


def _resource(name: str) -> str:
    return importlib.resources.files("pipeline.report").joinpath(name).read_text(encoding="utf-8")


def _csp_hash(script: str) -> str:
    """How a Content-Security-Policy names the one script that may run."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _title(content: Content) -> str:
    name = content.folder.rstrip("/").rsplit("/", 1)[-1]
    inputs = content.manifest.inputs
    some = f"{content.pictures:,} of " if content.pictures < inputs else ""
    return f"{some}{inputs:,} pictures in {name}"


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
    largest = sorted(found.classes.items(), key=lambda item: (-item[1].count, item[0]))[:_BARS]
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


def _sheet_caption(content: Content, own: OwnLabels | None) -> str:
    shown, present = len(content.selection.classes), len(content.survey.classes)
    if not content.are_labelled:
        return "Pictures drawn at random; the network has no classes."
    noun = "labels" if own else "classes"
    order = "Pictures are drawn at random within each and stand in order of their score."
    if shown == present:
        return f"All {present:,} {noun}. {order}"
    return (
        f"The {shown:,} most frequent of {present:,} {noun} (more with "
        f"quantlabel report --max-pictures). {order}"
    )


def _shapes(found: Survey) -> str:
    shapes = ", ".join(f"{count:,} {name}" for name, count in found.shapes.most_common() if count)
    if not found.sized:
        return f"{shapes}."
    return f"{shapes}. {byte_size(found.file_bytes)} in {found.sized:,} files."


def _identity(manifest: Manifest) -> list[tuple[str, str]]:
    model = manifest.model
    preprocessing = manifest.preprocess.as_dict()
    lines = [
        ("model", model.name),
        ("sha256 of the model", model.sha256),
        ("input", f"{model.input_in_words.replace('x', ' x ')} pixels"),
        ("feature vector", f"{model.feature_size} numbers"),
        *((f"preprocessing: {name}", str(value)) for name, value in preprocessing.items()),
        ("quantlabel", manifest.version),
        ("started", manifest.started),
        ("finished", manifest.finished),
        ("skipped files", _skipped(manifest)),
        *([("read as", notes_in_words(manifest.read_as))] if manifest.read_as else []),
        ("paths listed twice", f"{manifest.duplicates:,}"),
    ]
    options = dataclasses.asdict(manifest.options)
    given = {name: value for name, value in options.items() if value not in (None, ())}
    return lines + [(f"option {name}", _option(value)) for name, value in given.items()]


def _skipped(manifest: Manifest) -> str:
    kinds = in_words(manifest.skipped_by_kind)
    return f"{manifest.skipped:,}" + (f": {kinds}" if kinds else "")


def _option(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _data(content: Content) -> dict[str, Any]:
    """What the script on the page draws from."""
    selection, found, own = content.selection, content.survey, content.own
    ranked = sorted(found.classes.items(), key=lambda item: (-item[1].count, item[0]))
    groups = zip(content.duplicates.shown, selection.groups, strict=False)  # the rest is not shown
    return {
        "pictures": [
            _picture(row, thumbnail, own=own is not None)
            for row, thumbnail in zip(selection.rows, content.thumbnails, strict=True)
        ],
        "own": own is not None,
        "uncertain": selection.uncertain,
        "classes": [
            {
                "id": class_id,
                "label": entry.label,
                "synset": entry.synset,
                "count": entry.count,
                "mean": _score(entry.score_sum / entry.count) if content.are_labelled else None,
                "pictures": selection.classes.get(class_id, []),
            }
            for class_id, entry in ranked
        ],
        "groups": [{"count": group.count, "pictures": places} for group, places in groups],
    }


def _picture(row: Mapping[str, Any], thumbnail: Thumbnail, *, own: bool) -> dict[str, Any]:
    best = zip(row["top_labels"][:_TOP], row["top_scores"][:_TOP], strict=True)
    return {
        "uri": row["uri"],
        "width": row["width"],
        "height": row["height"],
        "format": row["format"],
        "top": [[label, _score(score)] for label, score in best],
        "own": [row["label"], _score(row["score"])] if own else None,
        "thumb": thumbnail.jpeg,
        "missing": thumbnail.missing,
        "link": _link(row["uri"]) if thumbnail.jpeg else "",
    }


def _score(score: Any) -> float:
    return round(float(score), 4)


def _link(uri: str) -> str:
    """Where a browser on this machine finds the picture; nowhere if it is not a local file."""
    path = name_of(uri)
    return f"file://{urllib.parse.quote(os.fsencode(path))}" if os.path.isfile(path) else ""
