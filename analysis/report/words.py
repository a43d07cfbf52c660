"""Words for readers to whom the names in a table are new."""

from __future__ import annotations

from analysis.report.marks import MEANINGS
from analysis.report.notices import ENERGY_OF_STAND_INS
from core.executions import Executions

#: The entry behind which a run's executions stand.
BEFORE_EXECUTIONS = "forward"
WORDS = {
    "quick": f"A session with --quick: {MEANINGS['quick']}.",
    "fp32, fp16, mixed and so on": "The precision: the number format that the model computes in. FP32 is what the "
    "others are compared with; mixed keeps the weights in FP32 and computes in 16 bits where it can.",
    "forward": "One pass of the model over a batch; its time is the latency.",
    "launch-bound": "The device waits for the CPU to start (launch) the next operation, so faster arithmetic saves "
    "little time. Small batches in eager execution often are.",
    "session, visit, round": "A session is one run of the benchmarks. It visits each benchmark several times, spread "
    "over the session, and a visit times many rounds, which are forwards.",
    "against FP32": "Whether quality is equal to FP32's within the task's margin, worse, better or undecided.",
    "stand-in": "Generated text or seeded weights instead of the real ones: speed and size are those of real ones, "
    f"energy is within {ENERGY_OF_STAND_INS}, and quality says nothing.",
    "dominated by": "The benchmark named takes no more time, energy and size than this one, and less of one of them; "
    "its quality is no worse than FP32's.",
    "invalid, unknown": "Something disturbed the measurement, or it could not be seen whether something did; the "
    "caveats say what.",
    "as timed, as scored": "How far answers are from FP32's: of the rows that went through the timed execution, or of "
    "all rows in one untimed pass that every execution shares.",
    "quality of 64 of 1,940 rows": "Perplexity, and what stands beside it, are of the first rows of the dataset alone; "
    "--quality-samples all scores every one.",
    "interval assumed": "How much sessions on this machine differ was not measured, so a wide interval was assumed.",
}


def words_of(executions: Executions) -> dict[str, str]:
    """Return the words for what the table names, those of a run's own executions among them."""
    of_executions = {name: traits.words for name, traits in executions.items() if traits.words}
    words: dict[str, str] = {}
    for name, text in WORDS.items():
        words[name] = text
        if name == BEFORE_EXECUTIONS:
            words |= {execution: text for execution, text in of_executions.items() if execution not in WORDS}
    return words
