"""What a run says of the model and the text that it measured, as lines for people."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.metrics import lookup


def sources(extra_info: dict[str, Any]) -> list[str]:
    """Return what a benchmark's model and text are."""
    rows = "packed rows" if lookup(extra_info, "provenance.packed") is True else "rows"
    text_of = partial(provenance_text, extra_info)
    notes = lookup(extra_info, "provenance.token_notes")
    named = lookup(extra_info, "provenance.tokenizer")
    baseline = lookup(extra_info, "provenance.baseline")
    tokens = f" in the tokens of {text_of('tokenizer')}" if isinstance(named, str) else ""
    return [
        f"model {text_of('model')} ({text_of('parameters')} parameters, weights sha256 {text_of('weights_sha256')})",
        *([f"baseline: {baseline}"] if isinstance(baseline, str) else []),
        f"text {text_of('dataset')} ({text_of('num_samples')} {rows}, sha256 {text_of('dataset_sha256')}){tokens}",
        *(note for note in (notes if isinstance(notes, list) else []) if isinstance(note, str)),
    ]


def provenance_text(extra_info: dict[str, Any], key: str) -> str:
    """Return what a benchmark's provenance says, as text: digests by their beginning, thousands with commas."""
    value = lookup(extra_info, f"provenance.{key}")
    if value is None:
        return "unknown"
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return f"{value:,}" if type(value) is int else str(value)
