"""Tests of `pipeline.module`."""
