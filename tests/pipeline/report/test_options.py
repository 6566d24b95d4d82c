from __future__ import annotations

import pytest

from pipeline.report.options import ReportOptions
from transforms.errors import UsageError


def test_a_report_may_have_no_pictures_but_not_fewer() -> None:
    assert ReportOptions(folder="x", max_pictures=0).max_pictures == 0
    with pytest.raises(UsageError, match="--max-pictures: expected 0 or a positive number"):
        ReportOptions(folder="x", max_pictures=-1)
