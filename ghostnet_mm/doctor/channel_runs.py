"""Which channels of a network are widened together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Layout = tuple[int, ...]


class ChannelRuns:
    """Neighbouring channels that are widened as one, called runs, by number.

    The output of a convolution is one run. Concatenation puts runs side by side: a
    ghost module's output is two. Where maps are added, both have the same runs; a
    longer one is split for that.

    Attributes:
        sizes: Channels of each run.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._parts: dict[int, Layout] = {}
        self._fixed: set[int] = set()

    def add(self, size: int, fixed: bool = False) -> Layout:
        """Return a new run, as the layout of a map that has no other.

        Args:
            size: Its channels.
            fixed: Whether it must not be widened.
        """
        self.sizes.append(size)
        run = len(self.sizes) - 1
        if fixed:
            self._fixed.add(run)
        return (run,)

    def fix(self, layout: Layout) -> None:
        """Keep runs from being widened."""
        self._fixed.update(self._split(layout))

    def unite(self, first: Layout, second: Layout) -> None:
        """Give two maps the same runs; they have as many channels."""
        while first and second:
            first, second = self._split(first), self._split(second)
            one, other = sorted((first[0], second[0]), key=self.sizes.__getitem__)
            if one != other:
                rest = self.sizes[other] - self.sizes[one]
                fixed = other in self._fixed
                if fixed:
                    self._fixed.add(one)
                self._parts[other] = (one, *(self.add(rest, fixed) if rest else ()))
            first, second = self._split(first)[1:], self._split(second)[1:]

    def width(self, run: int, divisor: int) -> int:
        """Return the channels of a run when widened to a multiple."""
        size = self.sizes[run]
        return size if run in self._fixed else -(-size // divisor) * divisor

    def places(self, layout: Layout, divisor: int) -> tuple[np.ndarray, int]:
        """Return where each channel of a map comes to lie, and how many there are."""
        places: list[int] = []
        start = 0
        for run in self._split(layout):
            places += range(start, start + self.sizes[run])
            start += self.width(run, divisor)
        return np.asarray(places, int), start

    def _split(self, layout: Sequence[int]) -> Layout:
        found: list[int] = []
        for run in layout:
            found += self._split(self._parts[run]) if run in self._parts else [run]
        return tuple(found)
