"""The version, read as text when the package is built."""

__version__ = "0.1.0"
