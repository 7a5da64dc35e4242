"""Timing detectors side by side: configs, checkpoints and exported files."""

from .candidates import BenchmarkCandidate
from .measuring import Benchmark, run_benchmark
from .pictures import load_pictures
from .report import write_benchmark
from .scores import collect_scores
from .settings import BenchmarkSettings

__all__ = [
    "Benchmark",
    "BenchmarkCandidate",
    "BenchmarkSettings",
    "collect_scores",
    "load_pictures",
    "run_benchmark",
    "write_benchmark",
]
