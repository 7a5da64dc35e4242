"""What is timed of a detector, and how."""

from dataclasses import dataclass

from ..errors import OptionError

NETWORK = "network"
END_TO_END = "end-to-end"
BOTH = "both"
SCOPES = (NETWORK, END_TO_END, BOTH)
WARM_UP = 3
SETTLING_CALLS = 1
# Before each turn of candidates in processes of their own: ncnn lets the threads of
# OpenMP spin for 20 ms after their work; others stop earlier.
REST_SECONDS = 0.03
# After the rest one call does not make good what it cost: caches are cold, threads
# asleep, clocks low.
SETTLING_SECONDS = 0.1


@dataclass(frozen=True)
class BenchmarkSettings:
    """How candidates are timed.

    Attributes:
        scope: ``network`` (the forward pass), ``end-to-end`` (picture in memory to
            boxes) or ``both``.
        threads: Of every runtime; None leaves PyTorch's own number, for all.
        batch: Images per call.
        size: Height and width in pixels; None takes each candidate's own.
        rounds: Timed rounds.
        device: Of eager PyTorch.
        isolated: Whether every candidate has a process of its own, where the threads
            of other runtimes cannot disturb it.
    """

    scope: str = BOTH
    threads: int | None = None
    batch: int = 1
    size: tuple[int, int] | None = None
    rounds: int = 50
    device: str = "cpu"
    isolated: bool = False

    def __post_init__(self) -> None:
        if self.scope not in SCOPES:
            raise OptionError(
                f"--scope {self.scope} is not known; choose from {', '.join(SCOPES)}."
            )
        for name in ("batch", "rounds"):
            if getattr(self, name) < 1:
                raise OptionError(
                    f"--{name} {getattr(self, name)} is not possible: give at least 1."
                )

    @property
    def scopes(self) -> tuple[str, ...]:
        """What is timed, without ``both``."""
        return (NETWORK, END_TO_END) if self.scope == BOTH else (self.scope,)
