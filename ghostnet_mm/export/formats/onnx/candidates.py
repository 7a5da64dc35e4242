"""Which pairs of candidate and class go on to NMS, as nodes of an ONNX graph.

What ``filter_scores_and_topk`` of mmdet 3.3 chooses on every level, and the heads that
choose otherwise. Ties keep the lower index first, as a stable sort does; ONNX promises
that of TopK and ONNX Runtime keeps it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .nodes import INT64, NodeWriter, size_of

# Scores are never negative, so this one marks a candidate that is out.
OUT = -1.0
OUT_LIMIT = -0.5


class Pairs(NamedTuple):
    """Candidates of one image batch: names of tensors of S (prior, class) pairs."""

    scores: str  # float32 (N, S), OUT where the pair failed a threshold
    priors: str | None  # int64 (N, S); None where pair s is prior s
    labels: str  # int64 (N, S)


def choose_pairs(
    write: NodeWriter, description: dict, class_count: int, factors: str | None
) -> Pairs:
    """The pairs of all levels above the thresholds, at most ``nms_pre`` a level."""
    rules = description["selection"]
    if rules["best_class"]:
        return _best_classes(write, factors, rules)
    levels = _level_bounds(write, description)
    if len(levels) == 1:
        return _best_pairs(write, "scores", factors, rules, class_count, levels[0][2])
    chosen = []
    for start, end, length in levels:
        level_scores = write("Slice", "scores", start, end, [1])
        level_factors = factors and write("Slice", factors, start, end, [1])
        pairs = _best_pairs(
            write, level_scores, level_factors, rules, class_count, length
        )
        chosen.append(pairs._replace(priors=write("Add", pairs.priors, start)))
    merged = zip(*chosen, strict=True)
    return Pairs(*[write("Concat", *names, axis=1) for names in merged])


def _level_bounds(write: NodeWriter, description: dict) -> list[tuple]:
    """Start, end and number of priors of every level; numbers or names of (1,)."""
    rules = description["selection"]
    if rules["levels"] is not None:
        ends = np.cumsum(rules["levels"]).tolist()
        starts = [0, *ends[:-1]]
        bounds = zip(starts, ends, rules["levels"], strict=True)
        return [([start], [end], length) for start, end, length in bounds]
    if not rules.get("per_level", True) or len(rules["strides"]) <= 1:
        return [([0], None, size_of(write, "scores", 1))]
    size = write("Shape", description["input"]["name"], start=2, end=4)
    start, bounds = [0], []
    cell_rules = zip(rules["strides"], rules["priors_per_cell"], strict=True)
    for stride, priors in cell_rules:
        # A strided convolution rounds up.
        cells = write("Div", write("Add", size, stride - 1), stride)
        cells = write("ReduceProd", cells, keepdims=1)
        length = write("Mul", cells, priors)
        end = write("Add", start, length)
        bounds.append((start, end, length))
        start = end
    return bounds


def _best_pairs(
    write: NodeWriter,
    scores: str,
    factors: str | None,
    rules: dict,
    class_count: int,
    prior_count: int | str,
) -> Pairs:
    """The best pairs of one level by class score, as ``filter_scores_and_topk`` does.

    The priors with the best maxima hold every pair that can be chosen, and ranking them
    first is much cheaper than ranking all pairs. Sorting the chosen priors by index
    keeps ties in the order of all pairs.
    """
    nms_pre = rules["nms_pre"]
    rows = None
    if nms_pre and class_count > 1 and _may_exceed(prior_count, nms_pre):
        best = write("ReduceMax", scores, [2], keepdims=0)
        if rules["factor_threshold"] is not None:
            best = _keep_factors(write, best, factors, rules)
        count = _at_most(write, nms_pre, prior_count)
        _, rows = write("TopK", best, count, axis=1, output_count=2)
        _, order = write("TopK", rows, count, axis=1, largest=0, output_count=2)
        rows = write("GatherElements", rows, order, axis=1)
        scores = gather_rows(write, scores, rows)
        factors = factors and gather_rows(write, factors, rows)
        prior_count = count

    if rules["factor_threshold"] is not None:
        by_prior = write("Unsqueeze", factors, [2])
        scores = _keep_factors(write, scores, by_prior, rules)
    values = write("Reshape", scores, [0, -1])
    if nms_pre:
        pair_count = _times(write, prior_count, class_count)
        count = _at_most(write, nms_pre, pair_count)
        values, pairs = write("TopK", values, count, axis=1, output_count=2)
    else:
        # Position of every pair, int64 (N, P * C).
        ones = write("Cast", write("GreaterOrEqual", values, OUT), to=INT64)
        pairs = write("Sub", write("CumSum", ones, 1), 1)
    above = write("Greater", values, float(rules["score_threshold"]))
    values = write("Where", above, values, OUT)
    priors = write("Div", pairs, class_count)
    labels = write("Mod", pairs, class_count)
    if rows is not None:
        priors = write("GatherElements", rows, priors, axis=1)
    return Pairs(values, priors, labels)


def _best_classes(write: NodeWriter, factors: str | None, rules: dict) -> Pairs:
    """Every prior with its best class, kept by the product of score and factor."""
    values = write("ReduceMax", "scores", [2], keepdims=0)
    labels = write("ArgMax", "scores", axis=2, keepdims=0)
    product = write("Mul", values, factors) if factors else values
    kept = write("GreaterOrEqual", product, float(rules["score_threshold"]))
    return Pairs(write("Where", kept, values, OUT), None, labels)


def _keep_factors(write: NodeWriter, scores: str, factors: str, rules: dict) -> str:
    kept = write("GreaterOrEqual", factors, float(rules["factor_threshold"]))
    return write("Where", kept, scores, OUT)


def _may_exceed(count: int | str, limit: int) -> bool:
    return isinstance(count, str) or count > limit


def _at_most(write: NodeWriter, limit: int, count: int | str) -> list[int] | str:
    if isinstance(count, str):
        return write("Min", count, [limit])
    return [min(limit, count)]


def _times(write: NodeWriter, count: int | list[int] | str, factor: int) -> int | str:
    if isinstance(count, str):
        return write("Mul", count, factor)
    return (count[0] if isinstance(count, list) else count) * factor


def gather_rows(write: NodeWriter, tensor: str, rows: str | None) -> str:
    """Rows of every image: (N, P, ...) and (N, S) -> (N, S, ...)."""
    if rows is None:
        return tensor
    return write("GatherND", tensor, write("Unsqueeze", rows, [2]), batch_dims=1)
