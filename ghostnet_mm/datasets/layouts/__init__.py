"""Layouts of folders, and pointing a config at them."""
