"""Holding pictures out for validation where a user's data has no such split."""
