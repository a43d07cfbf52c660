"""Sentences that several outputs share. Light to import."""

from __future__ import annotations

TITLE = "GPT-2 precision benchmark"
STAND_IN_NOTICE = (
    "STAND-IN: generated text or seeded weights. Latency, energy and size are real; perplexity is meaningless."
)
REAL_DATA_HINT = (
    "To run on real data: on a machine that reaches the hub run `python -m data_prep --stand-in never`, or use "
    "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER` and `pytest benchmarks --model FOLDER`."
)
