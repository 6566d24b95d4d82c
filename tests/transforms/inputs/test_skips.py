"""What is skipped, counted by kind."""

from __future__ import annotations

from transforms.inputs.listing import nothing_matched
from transforms.inputs.skips import Count, Skipped, Tally, in_words


def test_what_is_skipped_is_counted_by_kind_with_an_example() -> None:
    tally = Tally()
    for path, kind in (("/p/b.csv", "text"), ("/p/a\udce9.csv", "text"), ("/p/.x", "hidden")):
        tally.add(Skipped(path, kind))
    assert tally.counts == {"text": Count(2, "/p/a\\xe9.csv"), "hidden": Count(1, "/p/.x")}
    words = "2 text and tables, such as a\\xe9.csv; 1 hidden, such as .x"
    assert in_words(tally.counts) == words
    assert words in str(nothing_matched("/p", skipped=tally.counts))
