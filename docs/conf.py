"""Settings of Sphinx for the pages of this folder; `make docs` builds them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from transforms._version import VERSION

project = "quantlabel"
author = "The quantlabel authors"
version = release = VERSION

extensions = ["myst_parser", "reference_tables"]
exclude_patterns = ["_build"]
# A figure such as `-k` in running text keeps its two hyphens, and options can be copied.
smartquotes = False
nitpicky = True

# Boxes (`:::{admonition}`), and links to every heading of every page.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "quantlabel"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_show_sourcelink = False
html_show_copyright = False
