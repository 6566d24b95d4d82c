"""What libraries say of a disk, in our words."""

from __future__ import annotations

import pytest

from pipeline.export.lakehouse.disk import disk_errors
from transforms.errors import UserError


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "/labels/part"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
        OSError("LanceError(IO): No space left on device (os error 28), /rust/file.rs:190:9"),
    ],
)
def test_the_folder_is_named_and_not_a_line_of_somebodys_source(error: OSError) -> None:
    with (
        pytest.raises(UserError, match=r"^/labels: No space left on device$"),
        disk_errors("/labels"),
    ):
        raise error


def test_what_has_no_number_is_told_as_it_is() -> None:
    with pytest.raises(UserError, match=r"^/labels: odd$"), disk_errors("/labels"):
        raise OSError("odd")
