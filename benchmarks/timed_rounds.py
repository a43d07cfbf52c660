"""The rounds of a visit that count, and what they say of its latency."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.steady_state import WarmUp
from core.metrics.records import Record
from core.statistics.rounds import fast_ms, weighted
from fixtures.dataset.batches import FULL, PADDED


@dataclass(frozen=True)
class TimedRounds:
    """The rounds of one visit that count: their seconds, and the variant of each; and how many ran and do not."""

    durations_s: list[float]
    variants: list[str]
    disturbed: int = 0

    @classmethod
    def joined(cls, visits: Iterable[TimedRounds]) -> TimedRounds:
        """Return the rounds of several visits, one after the other."""
        every = list(visits)
        return cls(
            [duration for one in every for duration in one.durations_s],
            [variant for one in every for variant in one.variants],
            sum(one.disturbed for one in every),
        )

    def of_variant(self, variant: str) -> list[float]:
        """Return the seconds of the rounds of one variant."""
        return [duration for duration, other in zip(self.durations_s, self.variants, strict=True) if other == variant]

    def median_ms(self, variant: str) -> float | None:
        """Return the median of the rounds of a variant, or None where there are none."""
        return 1000 * statistics.median(values) if (values := self.of_variant(variant)) else None

    @property
    def means_ms(self) -> dict[str, float | None]:
        """The mean of the rounds of each variant, None where there are none."""
        return {name: 1000 * statistics.fmean(values) if values else None for name, values in self.by_variant.items()}

    @property
    def by_variant(self) -> dict[str, list[float]]:
        """The seconds of the rounds of each variant."""
        return {variant: self.of_variant(variant) for variant in (FULL, PADDED)}


@dataclass(frozen=True, kw_only=True)
class VisitLatency(Record):
    """Medians of one visit's rounds by variant, in ms; null for a variant that did not occur in it."""

    full_ms: float | None
    padded_ms: float | None
    median_ms: float
    #: The 5% quantiles, weighted as the medians are; null unless the execution is replayed and has rounds enough.
    fast_ms: float | None
    mean_ms: float
    rounds: int
    full_rounds: int
    #: Rounds that ran and are not timed, because something was read from the device meanwhile.
    disturbed_rounds: int
    warmup_rounds: int
    warmup_steady: bool

    @classmethod
    def of(cls, timed: TimedRounds, warm_up: WarmUp, shares: Mapping[str, float], *, is_replayed: bool) -> VisitLatency:
        """Return the medians of a visit's rounds; `shares` are the variants' shares of the dataset's batches."""
        full_ms, padded_ms = timed.median_ms(FULL), timed.median_ms(PADDED)
        return cls(
            full_ms=full_ms,
            padded_ms=padded_ms,
            median_ms=weighted({FULL: full_ms, PADDED: padded_ms}, shares),
            fast_ms=fast_ms(timed.by_variant, shares) if is_replayed else None,
            mean_ms=weighted(timed.means_ms, shares),
            rounds=len(timed.durations_s),
            full_rounds=timed.variants.count(FULL),
            disturbed_rounds=timed.disturbed,
            warmup_rounds=warm_up.rounds,
            warmup_steady=warm_up.steady,
        )
