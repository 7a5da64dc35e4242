"""Trained models on pictures."""
