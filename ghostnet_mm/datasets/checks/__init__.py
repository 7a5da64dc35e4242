"""Checks of annotation files before a run depends on them."""
