"""The version of this distribution. setup.py reads this file without importing the package."""

VERSION = "0.2.0"

ROW_VALUES = 2
"""Goes up when the same picture, network and options give a row with other values than before. A
new column or a new release does not change it. Which rows became others is said, value by value, in
`transforms.resume.row_values`: `--resume` labels those anew and keeps all the rest.

1. Version 0.1.0, whose manifests do not say so. Large JPEGs were decoded at 1/2, 1/4 or 1/8 of
   their size.
2. Version 0.2.0. Every picture is decoded at its full size.
"""
