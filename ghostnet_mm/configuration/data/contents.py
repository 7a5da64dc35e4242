"""What a training is about to learn from, in a few lines."""

from __future__ import annotations

import numpy as np
from mmengine.config import Config

from ...datasets.annotations.findings import Findings, printable
from ...datasets.checks.examining import odd_classes
from ...datasets.checks.kinds import CHECK_KINDS, WARNING
from ..console import tell
from .clean_data import copies_read

MOST_LINES = 3
SPLITS = ("train", "val")


def tell_contents(cfg: Config) -> None:
    """Tell how much there is to learn from, and the worst that is odd about it.

    Nothing is read but the summaries of the clean copies.

    Args:
        cfg: The config after `use_clean_data`.
    """
    parts: list[str] = []
    counts: dict[str, list[int]] = {}
    names: tuple[str, ...] = ()
    findings = Findings(CHECK_KINDS)
    for split in SPLITS:
        read = list(copies_read(cfg, split))
        if not read:
            continue
        names = read[0][0].classes
        if any(copy.classes != names for copy, _ in read):
            return  # Datasets joined under other names are told one by one.
        summaries = [summary for _, summary in read]
        counts[split] = np.sum([s.class_counts for s in summaries], axis=0).tolist()
        pictures = sum(s.pictures for s in summaries)
        boxes = sum(s.objects - s.crowds for s in summaries)
        parts.append(f"{split} {pictures:,} pictures with {boxes:,} boxes")
        for kind in summaries[0].odd:
            found = sum(s.odd[kind] for s in summaries)
            findings.add_all(kind, split, [None] * found)
    if "train" not in counts or len({len(each) for each in counts.values()}) > 1:
        return
    tell(f"data: {'; '.join(parts)}; {_classes(names, counts['train'])}")
    for kind, place, told in odd_classes(names, counts):
        findings.add(kind, place, told)
    lines = findings.lines((WARNING,))
    for line in lines[:MOST_LINES]:
        tell(f"data: {line}")
    if len(lines) > MOST_LINES:
        more = len(lines) - MOST_LINES
        tell(f"data: and {more} kind{'s' * (more > 1)} more; see ghostnet check")


def _classes(names: tuple[str, ...], counts: list[int]) -> str:
    if len(names) == 1:
        return f"1 class, {printable(names[0], 40)}"
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[least] == counts[most]:
        return f"{len(names):,} classes, {counts[most]:,} boxes to learn each"
    return (
        f"{len(names):,} classes, {printable(names[least], 40)} ({counts[least]:,}) to "
        f"{printable(names[most], 40)} ({counts[most]:,})"
    )
