"""Bits per byte of the characters that two models with different tokenizers both predict."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.comparison.change import NO_VERDICT
from analysis.comparison.changes import changes
from analysis.comparison.common_text import COMMON, common_bits, have_other_tokens
from analysis.comparison.comparability import differences
from analysis.comparison.presentation import as_markdown
from analysis.comparison.side_by_side import side_by_side
from analysis.runs.saved import load
from tests.support.saved_runs import benchmark, in_visits, save

#: Two rows of text, in the tokens of two models: the bytes that each token completes, and the bits that it takes.
#: The first model predicts all but the first token of a row; the second has a beginning of text and is cut earlier.
FIRST = {"bytes": [[3, 2, 4, 1], [2, 5]], "bits": [[9, 1, 2, 4], [9, 8]], "first": 1}
SECOND = {"bytes": [[1, 4, 0, 3], [7]], "bits": [[1, 2, 4, 8], [16]], "first": 0}


def written(folder: Path, name: str, side: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return what is said of a model, whose targets are in a file of their own."""
    first = side["first"]
    path = folder / f"{name}.npz"
    np.savez(
        path,
        nll_nats=np.array([bit * math.log(2) for row in side["bits"] for bit in row[first:]], dtype=np.float32),
        text_bytes=np.array([count for row in side["bytes"] for count in row[first:]]),
        targets=np.array([len(row) - first for row in side["bytes"]]),
        bytes_before=np.array([sum(row[:first]) for row in side["bytes"]]),
    )
    return {
        "quality": {
            "perplexity": 20.0,
            "headline": "perplexity",
            "bits_per_byte": 1.0,
            "bits_per_byte_reason": None,
            "per_target_file": str(path),
            "samples": 2,
        },
        "provenance": {"tokenizer_sha256": name * 64, "rows_sha256": "r" * 64, "dataset_sha256": name * 64, **changes},
    }


def test_targets_within_what_both_predict_are_counted(tmp_path):
    """Row 1: the first predicts bytes 3 to 10, the second 0 to 8. Within 3 to 8 lies the target of bytes 3 to 5 of the
    first. Of the second those of 0 to 1 and 1 to 5 begin too early; that of no byte is part of the character that ends
    with byte 8, and so lies within, as does that one. Row 2: bytes 2 to 7 of the first, and of the second nothing.
    """
    bits = common_bits(written(tmp_path, "a", FIRST), written(tmp_path, "b", SECOND))
    assert bits.reason is None
    assert bits.before == pytest.approx((1 + 8) / (2 + 5))
    assert bits.after == pytest.approx((4 + 8) / 3)
    assert bits.change.relative == pytest.approx(4 / (9 / 7) - 1)


def test_a_token_of_a_character_that_is_cut_off_lies_behind_everything(tmp_path):
    whole = {"bytes": [[2, 3, 3]], "bits": [[9, 1, 1]], "first": 1}
    cut = {"bytes": [[2, 3, 0]], "bits": [[9, 1, 64]], "first": 1}
    bits = common_bits(written(tmp_path, "a", whole), written(tmp_path, "b", cut))
    assert (bits.before, bits.after) == pytest.approx((1 / 3, 1 / 3))
    assert math.isnan(bits.change.low)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows_sha256": "x" * 64}, "the sides are not known to have the same rows of text"),
        ({"rows_sha256": None}, "the sides are not known to have the same rows of text"),
    ],
)
def test_other_rows_are_not_compared(tmp_path, changes, reason):
    bits = common_bits(written(tmp_path, "a", FIRST), written(tmp_path, "b", SECOND, **changes))
    assert (bits.before, bits.change, bits.reason) == (None, None, reason)


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def other_counts(path: Path) -> None:
    np.savez(path, nll_nats=np.zeros(3), text_bytes=np.zeros(3, int), targets=np.array([9]), bytes_before=np.array([0]))


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def a_loss_that_is_none(path: Path) -> None:
    with np.load(path) as arrays:
        kept = dict(arrays)
    kept["nll_nats"][0] = np.nan
    np.savez(path, **kept)


def a_number(path: Path) -> None:
    np.savez(path, nll_nats=np.float32(1), text_bytes=3, targets=1, bytes_before=0)


def only_losses(path: Path) -> None:
    np.savez(path, nll_nats=np.zeros(3))


@pytest.mark.parametrize(
    "damage", [Path.unlink, spoil, other_counts, nothing, one_array, a_loss_that_is_none, a_number, only_losses]
)
def test_a_file_of_targets_that_is_missing_or_damaged_is_a_reason(tmp_path, damage):
    sides = written(tmp_path, "a", FIRST), written(tmp_path, "b", SECOND)
    damage(tmp_path / "b.npz")
    bits = common_bits(*sides)
    assert bits.change is None
    assert bits.reason.startswith("the figures of each target cannot be read (")


@pytest.mark.parametrize(
    ("first", "second", "are_other"),
    [
        (("a", "gpt2"), ("a", "my-gpt2"), False),
        (("a", "gpt2"), ("b", "gpt2"), True),
        ((None, "stand-in"), ("a", "gpt2"), True),
        ((None, "stand-in"), (None, "stand-in"), False),
        ((None, None), ("a", "gpt2"), False),  # a run of an earlier version, which says neither
    ],
)
def test_tokenizers_are_told_by_their_digests_and_without_one_by_their_names(first, second, are_other):
    sides = ({"provenance": {"tokenizer_sha256": digest, "tokenizer": name}} for digest, name in (first, second))
    assert have_other_tokens(*sides) is are_other


@pytest.fixture
def two_runs(tmp_path):
    """Two saved runs, of models with different tokenizers on one text."""
    paths = []
    for number, (name, side) in enumerate((("a", FIRST), ("b", SECOND)), start=1):
        said = written(tmp_path, name, side)
        said["quality"]["perplexity"] = 20.0 * number
        paths.append(save(tmp_path, number, in_visits(benchmark("fp32", 10.0, **said))))
    return paths


def test_a_comparison_judges_no_figure_of_tokens_and_has_the_common_one(two_runs):
    before, after = ([load(path)] for path in two_runs)
    found = {change.metric: change for change in changes(before, after)}
    assert found["perplexity"].verdict == NO_VERDICT
    assert "different tokenizers" in found["perplexity"].reason
    assert found[COMMON].after == pytest.approx(4)
    assert found[COMMON].verdict in ("worse", "undecided")
    assert COMMON in as_markdown(before, after, list(found.values()))


def test_what_pytest_benchmark_compares_has_bits_per_byte_beside_the_quality(two_runs):
    listed = [{**item, "source": path.stem} for path in two_runs for item in load(path).benchmarks]
    shown = side_by_side(listed)
    assert "bits/byte" in shown
    assert "4.0000 against 1.2857 (+211.11%" in shown
    assert "40.0000" in shown
    assert "40.0000 (" not in shown
    said = differences((item["source"], item["extra_info"]) for item in listed)
    assert any(line.startswith("the tokenizer differs") for line in said)
    assert not any(line.startswith("the text differs") for line in said)
