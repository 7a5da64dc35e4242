"""Hooks of a run: progress, averages, early stopping, tables and pictures."""
