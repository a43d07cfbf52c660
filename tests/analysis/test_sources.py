"""What a page says of the model and the text that a run measured."""

from __future__ import annotations

import pytest

from analysis.report.sources import sources


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        (
            {"tokens_truncated": 76_139, "text_tokens": 197_913},
            ["76,139 tokens of the text are cut off (27.8%); its rows have 197,913"],
        ),
        ({"tokens_truncated": 0, "text_tokens": 60}, ["0 tokens of the text are cut off (0.0%); its rows have 60"]),
        (
            {"tokens_truncated": None, "tokens_truncated_reason": "it does not say it", "text_tokens": 60},
            ["tokens of the text that are cut off: not known (it does not say it)"],
        ),
        ({}, []),  # of an earlier version
        ({"tokens_truncated": "76", "text_tokens": [], "tokens_truncated_reason": 3}, []),
        ({"tokens_truncated": 10**400, "text_tokens": 60}, []),
    ],
)
def test_tokens_that_were_cut_off_are_said_with_their_share(provenance, said):
    lines = sources({"provenance": {"dataset": "wikitext-2", **provenance}})
    assert [line for line in lines if "cut off" in line] == said


def test_a_run_says_how_much_of_its_text_was_cut_off(run_suite, saved_run, tiny_dataset, tmp_path):
    from data_prep.layout import write_dataset
    from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors

    write_dataset(tiny_dataset, tiny_tensors(), ORIGINAL_METADATA | {"tokens_truncated": 40})
    result = run_suite("--benchmark-autosave", "--precisions=fp32", "--visits=1", "--rounds=1")
    assert result.ret == 0, result.stdout.str()
    provenance = saved_run()["benchmarks"][0]["extra_info"]["provenance"]
    assert (provenance["tokens_truncated"], provenance["text_tokens"]) == (40, 60)
    assert provenance["tokens_truncated_reason"] is None
    line = "40 tokens of the text are cut off (40.0%); its rows have 60"
    assert line in (tmp_path / "results" / "report.html").read_text()
    assert line in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
