"""The version of this distribution. setup.py reads this file without importing the package."""

VERSION = "0.1.0"
