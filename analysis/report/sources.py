"""What a run says of the model and the text that it measured, as lines for people."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.guards import finite_number
from core.metrics import lookup
from core.paths import without_folders


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
        *truncation(extra_info),
        *(note for note in (notes if isinstance(notes, list) else []) if isinstance(note, str)),
    ]


def truncation(extra_info: dict[str, Any]) -> list[str]:
    """Return what a benchmark says of the tokens of its text that are in no row; nothing where a run is older."""
    left_out, kept = (
        finite_number(lookup(extra_info, f"provenance.{key}")) for key in ("tokens_truncated", "text_tokens")
    )
    reason = lookup(extra_info, "provenance.tokens_truncated_reason")
    if left_out is not None and kept:
        return [
            f"{left_out:,} tokens of the text are cut off ({left_out / (left_out + kept):.1%}); its rows have {kept:,}"
        ]
    return [f"tokens of the text that are cut off: not known ({reason})"] if isinstance(reason, str) else []


def provenance_text(extra_info: dict[str, Any], key: str) -> str:
    """Return what a benchmark's provenance says, as text: digests by their beginning, thousands with commas."""
    value = lookup(extra_info, f"provenance.{key}")
    if value is None:
        return "unknown"
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return f"{value:,}" if type(value) is int else without_folders(str(value))
