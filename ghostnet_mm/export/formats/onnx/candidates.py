"""Which pairs of candidate and class go on to NMS, as nodes of an ONNX graph.

What ``filter_scores_and_topk`` of mmdet 3.3 chooses on every level, and the heads that
choose otherwise. Ties keep the lower index first, as a stable sort does; ONNX promises
that of TopK and ONNX Runtime keeps it.
"""

from __future__ import annotations

from typing import NamedTuple

from ghostnet_runtime.description import Description, SelectionRule

from .nodes import INT64, NodeWriter, Numbers, size_of

# Scores are never negative, so this one marks a candidate that is out.
OUT = -1.0
OUT_LIMIT = -0.5


class Pairs(NamedTuple):
    """Candidates of one image batch: names of tensors of S (prior, class) pairs."""

    scores: str  # float32 (N, S), OUT where the pair failed a threshold
    priors: str | None  # int64 (N, S); None where pair s is prior s
    labels: str  # int64 (N, S)


def choose_pairs(
    write: NodeWriter, description: Description, factors: str | None
) -> Pairs:
    """The pairs of all levels above the thresholds, at most ``nms_pre`` a level."""
    rule, class_count = description.selection, len(description.classes)
    if rule.best_class:
        return _best_classes(write, factors, rule)
    lengths = _level_lengths(write, description)
    if len(lengths) == 1:
        best = _best_pairs(write, "scores", factors, rule, class_count, lengths[0])
        return Pairs(*best)
    chosen = []
    start: Numbers = [0]
    for length in lengths:
        end = _sum(write, start, length)
        level_scores = write("Slice", "scores", start, end, [1])
        level_factors = factors and write("Slice", factors, start, end, [1])
        scores, priors, labels = _best_pairs(
            write, level_scores, level_factors, rule, class_count, length
        )
        chosen.append((scores, write("Add", priors, start), labels))
        start = end
    merged = zip(*chosen, strict=True)
    return Pairs(*[write("Concat", *names, axis=1) for names in merged])


def _level_lengths(write: NodeWriter, description: Description) -> list[Numbers]:
    """The number of priors of every level."""
    rule = description.selection
    if rule.levels is not None:
        return [[length] for length in rule.levels]
    if not rule.per_level or len(rule.strides) <= 1:
        return [size_of(write, "scores", 1)]
    size = write("Shape", description.input.name, start=2, end=4)
    lengths: list[Numbers] = []
    for stride, priors in zip(rule.strides, rule.priors_per_cell, strict=True):
        # A strided convolution rounds up.
        cells = write("Div", write("Add", size, stride - 1), stride)
        cells = write("ReduceProd", cells, keepdims=1)
        lengths.append(write("Mul", cells, priors))
    return lengths


def _best_pairs(
    write: NodeWriter,
    scores: str,
    factors: str | None,
    rule: SelectionRule,
    class_count: int,
    prior_count: Numbers,
) -> tuple[str, str, str]:
    """Scores, priors and labels of the best pairs of one level, by class score.

    As ``filter_scores_and_topk`` does. The priors with the best maxima hold every pair
    that can be chosen, and ranking them first is much cheaper than ranking all pairs.
    Sorting the chosen priors by index keeps ties in the order of all pairs.
    """
    nms_pre = rule.nms_pre
    rows = None
    if nms_pre and class_count > 1 and _may_exceed(prior_count, nms_pre):
        best = write("ReduceMax", scores, [2], keepdims=0)
        if factors is not None and rule.factor_threshold is not None:
            best = _keep_factors(write, best, factors, rule.factor_threshold)
        count = _at_most(write, nms_pre, prior_count)
        _, rows = write.pair("TopK", best, count, axis=1)
        _, order = write.pair("TopK", rows, count, axis=1, largest=0)
        rows = write("GatherElements", rows, order, axis=1)
        scores = gather_rows(write, scores, rows)
        factors = factors and gather_rows(write, factors, rows)
        prior_count = count

    if factors is not None and rule.factor_threshold is not None:
        by_prior = write("Unsqueeze", factors, [2])
        scores = _keep_factors(write, scores, by_prior, rule.factor_threshold)
    values = write("Reshape", scores, [0, -1])
    if nms_pre:
        pair_count = _product(write, prior_count, class_count)
        count = _at_most(write, nms_pre, pair_count)
        values, pairs = write.pair("TopK", values, count, axis=1)
    else:
        # Position of every pair, int64 (N, P * C).
        ones = write("Cast", write("GreaterOrEqual", values, OUT), to=INT64)
        pairs = write("Sub", write("CumSum", ones, 1), 1)
    above = write("Greater", values, float(rule.score_threshold))
    values = write("Where", above, values, OUT)
    priors = write("Div", pairs, class_count)
    labels = write("Mod", pairs, class_count)
    if rows is not None:
        priors = write("GatherElements", rows, priors, axis=1)
    return values, priors, labels


def _best_classes(write: NodeWriter, factors: str | None, rule: SelectionRule) -> Pairs:
    """Every prior with its best class, kept by the product of score and factor."""
    values = write("ReduceMax", "scores", [2], keepdims=0)
    labels = write("ArgMax", "scores", axis=2, keepdims=0)
    product = write("Mul", values, factors) if factors else values
    kept = write("GreaterOrEqual", product, float(rule.score_threshold))
    return Pairs(write("Where", kept, values, OUT), None, labels)


def _keep_factors(write: NodeWriter, scores: str, factors: str, least: float) -> str:
    kept = write("GreaterOrEqual", factors, float(least))
    return write("Where", kept, scores, OUT)


def _may_exceed(count: Numbers, limit: int) -> bool:
    return isinstance(count, str) or count[0] > limit


def _at_most(write: NodeWriter, limit: int, count: Numbers) -> Numbers:
    if isinstance(count, str):
        return write("Min", count, [limit])
    return [min(limit, count[0])]


def _product(write: NodeWriter, count: Numbers, factor: int) -> Numbers:
    if isinstance(count, str):
        return write("Mul", count, factor)
    return [count[0] * factor]


def _sum(write: NodeWriter, first: Numbers, second: Numbers) -> Numbers:
    if isinstance(first, str) or isinstance(second, str):
        return write("Add", first, second)
    return [first[0] + second[0]]


def gather_rows(write: NodeWriter, tensor: str, rows: str | None) -> str:
    """Rows of every image: (N, P, ...) and (N, S) -> (N, S, ...)."""
    if rows is None:
        return tensor
    return write("GatherND", tensor, write("Unsqueeze", rows, [2]), batch_dims=1)
