"""The version of this distribution. setup.py reads this file without importing the package."""

VERSION = "0.2.0"

ROW_VALUES = 1
"""Goes up when the same picture, network and options give a row with other values than before, so
that `--resume` does not mix the two. A new column or a new release does not change it.
"""
