"""Elements that a DoFn hands out when its bundle ends."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue


def in_window(element: Any) -> WindowedValue | beam.pvalue.TaggedOutput:
    """An element, tagged or not, in the global window: `finish_bundle` has to name one."""
    if isinstance(element, beam.pvalue.TaggedOutput):
        value = GlobalWindows.windowed_value(element.value)
        return beam.pvalue.TaggedOutput(element.tag, value)
    return GlobalWindows.windowed_value(element)
