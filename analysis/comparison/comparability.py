"""Whether figures may be compared: what makes them differ by itself, whatever the precision does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.records import lookup

#: What has to be the same on all sides, and where it lies in a benchmark's `extra_info`.
CONDITIONS = {
    "the text": "provenance.dataset_sha256",
    "the weights": "provenance.weights_sha256",
    "the batch size": "batch_size",
    "the number of rows scored": "quality.samples",
    "the device": "environment.device_name",
    "the driver": "environment.driver",
    "PyTorch": "environment.torch",
    "transformers": "environment.transformers",
    "CUDA": "environment.cuda",
    "the attention implementation": "numerics.attention_implementation",
}
STAND_IN = "provenance.stand_in"


def differences(benchmarks: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return one sentence for each condition in which benchmarks differ; none where they may be compared.

    `benchmarks` are pairs of a side's name (a saved run, "this run") and a benchmark's `extra_info`; those of other
    suites are passed over.
    """
    own = [(side, extra_info) for side, extra_info in benchmarks if "precision" in extra_info]
    found = []
    stand_in, real = (sides_with(own, STAND_IN, value) for value in (True, False))
    if stand_in and real:
        found.append(
            f"STAND-IN against real: {', '.join(stand_in)} ran on generated text or seeded weights and "
            f"{', '.join(real)} did not; perplexities are not comparable."
        )
    for what, path in CONDITIONS.items():
        values = {shown(lookup(extra_info, path)): None for _, extra_info in own}
        if len(values) > 1:
            sides = (f"{value} in {', '.join(sides_with(own, path, value, shown))}" for value in values)
            found.append(f"{what} differs: {'; '.join(sides)}.")
    return found


def sides_with(
    benchmarks: Iterable[tuple[str, dict[str, Any]]],
    path: str,
    value: object,
    form: Any = lambda found: found,  # noqa: ANN401
) -> list[str]:
    """Return the names of the sides with a benchmark that has `value` at `path`, none twice."""
    return list(dict.fromkeys(side for side, extra_info in benchmarks if form(lookup(extra_info, path)) == value))


def shown(value: object) -> str:
    """Return a condition as text, digests by their beginning."""
    if value is None:
        return "unknown"
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)
