from __future__ import annotations

from pathlib import Path

from pipeline.models.load import load_network
from pipeline.run.folder.manifest import Identity, as_json, from_json
from pipeline.run.identity import identity_of
from pipeline.run.options import LabelOptions
from transforms._version import ROW_VALUES, VERSION


def test_it_says_how_rows_will_be_made(stand_in_file: Path) -> None:
    options = LabelOptions(
        inputs=("photos",), output="labels", model=str(stand_in_file), top_k=3, kernel="python"
    )
    found = identity_of(options, load_network(str(stand_in_file)), None)
    assert (found.version, found.row_values, found.kernel) == (VERSION, ROW_VALUES, "python")
    assert (found.model.input_size, found.preprocess.size) == (128, 128)
    assert found.options.inputs == (str(Path("photos").absolute()),)
    assert found.schema_metadata["quantlabel.model_sha256"] == found.model.sha256
    assert from_json(Identity, as_json(found.as_dict()), "x") == found
