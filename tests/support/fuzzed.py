"""Each reader of what others may have written, as the target of a fuzzer: a mutated input, and what has to hold of it.

A target raises `FuzzError` where something does not hold, and lets through whatever is raised besides.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis.__main__ import main
from analysis.report.table import tables
from analysis.runs.saved import load
from analysis.runs.validity import STATUSES, judgements
from core.errors import InputError
from core.safe_text import CODE
from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import write_dataset
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.models.checkpoint import read_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling import TASK
from tests.support.described import GOLDEN
from tests.support.journals import GONE
from tests.support.mutations import as_bytes, changed, damaged, random_changes, repacked
from tests.support.tiny import ORIGINAL_METADATA, tiny_gpt2, tiny_tensors

#: By hand, and not from the declarations that are tried here: the columns, and the lowest and highest value of each.
POSSIBLE = {
    "median_latency_ms": (1e-50, 1e50),
    "mean_latency_ms": (1e-50, 1e50),
    "model_size_mb": (1e-50, 1e50),
    "perplexity": (1, 1e50),
    "energy_per_sample_mj": (0, 1e50),
    "peak_memory_mb": (0, 1e50),
    "full_share": (0, 1),
    "outlier_share": (0, 1),
    "top1_agreement_vs_fp32": (0, 1),
    "top1_strict_vs_fp32": (0, 1),
    "throughput": (0, 1e50),
}
#: What is run on a mutated run, and one that is not.
COMMANDS = (
    ["noise", "new.json", "old.json"],
    ["variance", "new.json", "old.json"],
    ["compare", "old.json", "new.json"],
    ["compare", "old.json", "--to", "new.json", "--format", "json"],
    ["compare", "old.json", "new.json", "--fail", "median_ms:3%", "--fail", "perplexity:1%"],
    ["history", "new.json", "old.json"],
    ["report", "new.json"],
    ["noise", "."],
)


class FuzzError(Exception):
    """Something that has to hold of any input does not."""


@cache
def saved() -> Any:
    """The run that the inputs are changed from."""
    return json.loads(GOLDEN.read_text())


def mutated(generator: random.Random, document: Any, changes: list[list[Any]] | None) -> bytes:
    """The JSON of a document with some changes, or with random ones, after which it may be damaged too."""
    if changes is not None:
        return as_bytes(changed(document, changes))
    content = as_bytes(changed(document, random_changes(generator, document)))
    return damaged(generator, content) if generator.random() < 0.2 else content


def require_text(text: str, of: str, *, is_markdown: bool = False) -> None:
    """Raise `FuzzError` unless text is of printable characters and lines, and Markdown without others' markup."""
    odd = {character for character in text if not (character.isprintable() or character in "\n")}
    if odd:
        raise FuzzError(f"{of} holds {ascii(sorted(odd))[:80]}")
    for line in text.split("\n") if is_markdown else ():
        if "<img" in CODE.sub("", line) or line.startswith("# Use"):
            raise FuzzError(f"{of} holds markup: {ascii(line)[:200]}")


def command(*arguments: str) -> int:
    """Run a command of the analysis and look at what it prints and writes."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["analysis", *arguments])
        code = main()
    require_text(out.getvalue(), " ".join(arguments), is_markdown=arguments[0] != "report")
    require_text(err.getvalue(), f"{' '.join(arguments)}, beside the output")
    for path in Path("results").glob("*.[mh][dt]*"):
        require_text(path.read_text(encoding="utf-8"), path.name, is_markdown=path.suffix == ".md")
        if path.suffix == ".html" and "<img src=x>" in path.read_text(encoding="utf-8"):
            raise FuzzError("the page holds a tag of the run's")
    return code


def require_possible(path: Path) -> bool:
    """Tell whether a file is read as a saved run; raise `FuzzError` where it is, with values that cannot be."""
    try:
        run = load(path)
    except InputError as error:
        require_text(str(error), "the refusal")
        return False
    frame = tables([run])
    for column in POSSIBLE.keys() & {*frame.columns}:  # a run may describe fewer
        lowest, highest = POSSIBLE[column]
        wrong = frame[column][frame[column].notna() & ~frame[column].between(lowest, highest)]
        if len(wrong):
            raise FuzzError(f"{column} {wrong.tolist()} is accepted")
    for benchmark, judged in zip(run.benchmarks, judgements(run.benchmarks), strict=True):
        section = benchmark["extra_info"].get("validity")
        stated = section.get("status") if isinstance(section, dict) else None
        is_clean = judged.status == "valid" and stated != "valid"
        if judged.status not in STATUSES or is_clean:
            raise FuzzError(f"{ascii(stated)[:40]} counts as {judged.status}")
    return True


def of_run(generator: random.Random, changes: list[list[Any]] | None = None) -> str:
    """A saved run beside one that is whole, through a command."""
    content = as_bytes(changed(saved(), random_changes(generator, saved()) if changes is None else changes))
    Path("new.json").write_bytes(
        damaged(generator, content) if changes is None and generator.random() < 0.2 else content
    )
    Path("old.json").write_bytes(GOLDEN.read_bytes())
    is_read = require_possible(Path("new.json"))
    with pytest.MonkeyPatch.context() as patch:
        if generator.random() > 0.05:  # drawing takes seconds
            patch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
            patch.setattr("analysis.comparison.history.rendered", lambda figure, form: b"<svg/>")
        for arguments in generator.sample(COMMANDS, 2):
            command(*arguments)
    return "read" if is_read else "refused"


def of_journal(generator: random.Random, changes: list[list[Any]] | None = None) -> str:
    """A journal of several lines, recovered, and the noise of what came out of it."""
    documents = [saved(), saved() | {"withdrawn": "x"}]
    documents[1]["benchmarks"] = documents[1]["benchmarks"][:2]
    made = changed(documents, random_changes(generator, documents) if changes is None else changes)
    content = b"".join(as_bytes(one) + b"\n" for one in made)
    journal = Path("results/journal") / f"20261123_101112-{GONE}.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(damaged(generator, content) if changes is None and generator.random() < 0.3 else content)
    code = command("recover")
    recovered = list(Path(".benchmarks").rglob("*.json"))
    if code == 0:
        require_possible(recovered[0])
        command("noise")
    elif recovered or not journal.exists():
        raise FuzzError("a journal that was refused is gone, or saved all the same")
    return "recovered" if code == 0 else "refused"


def of_dataset(generator: random.Random, changes: list[list[Any]] | None = None) -> str:
    """The metadata and the tensors of a dataset, through the integrity checks."""
    folder = Path("dataset")
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    metadata = folder / "metadata.json"
    if changes is not None or generator.random() < 0.5:
        metadata.write_bytes(mutated(generator, json.loads(metadata.read_text()), changes))
    else:
        path = folder / f"{generator.choice(('input_ids', 'attention_mask', 'labels'))}.pt"
        path.write_bytes(generator.choice((damaged, repacked))(generator, path.read_bytes()))
    findings = verify(DatasetFolder(folder, SPEC), TASK.checks)
    for finding in findings.values():
        require_text(finding.message, f"the check {finding.check}")
    return "refused" if any(finding.passed is False for finding in findings.values()) else "read"


def of_model(generator: random.Random, changes: list[list[Any]] | None = None) -> str:
    """The config.json and the weights of a model, loaded."""
    folder = Path("model")
    tiny_gpt2(n_layer=1, vocab_size=500, bos_token_id=0, eos_token_id=0).save_pretrained(folder)
    config, weights = folder / "config.json", folder / "model.safetensors"
    if changes is not None or generator.random() < 0.8:
        config.write_bytes(mutated(generator, json.loads(config.read_text()), changes))
    else:
        content = weights.read_bytes()
        weights.write_bytes(damaged(generator, content[:2_000]) + content[2_000:])
    try:
        load_model(read_checkpoint(TASK.model, "strange", folder), PRECISIONS["fp32"], torch.device("cpu"))
    except InputError as error:
        require_text(str(error), "the refusal")
        return "refused"
    return "read"


TARGETS: dict[str, Callable[..., str]] = {
    "run": of_run,
    "journal": of_journal,
    "dataset": of_dataset,
    "model": of_model,
}
