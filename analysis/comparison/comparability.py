"""Whether figures may be compared: conditions that change them, whatever the precision does."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from analysis.runs.quick import QUICK_KEY
from core.case import case_of, is_own
from core.metrics import lookup

#: The condition that tokens stand for: the same rows of text differ in it where their tokenizers do.
TEXT = "the text"
#: What has to be the same on all sides, and its path in a benchmark's `extra_info`.
CONDITIONS = {
    TEXT: "provenance.dataset_sha256",
    "the digest of the weights": "provenance.weights_sha256",
    "the measuring procedure": "procedure",
    "the number of rows scored": "quality.samples",
    "the device": "environment.device_name",
    "the driver": "environment.driver",
    "PyTorch": "environment.torch",
    "transformers": "environment.transformers",
    "CUDA": "environment.cuda",
    "the attention implementation": "numerics.attention_implementation",
}
#: The same of what not every run records, where it is known.
CONDITIONS_IF_KNOWN = {
    "the tokenizer": "provenance.tokenizer_sha256",
    "the board": "environment.device_uuid",
    "the power limit": "environment.power_limit_w",
    "persistence mode": "environment.persistence_mode",
    "error correction (ECC)": "environment.ecc",
    "the CPU": "environment.cpu_model",
    "whether the session was a quick one": QUICK_KEY,
    "the number of threads": "environment.torch_threads",
    "Python": "environment.python",
    "torchao": "environment.torchao",
    "Triton": "environment.triton",
    "cuDNN": "environment.cudnn",
    "the compiler's setting": "environment.compiler_options",
}
STAND_IN = "provenance.stand_in"
#: What a case was compiled with, where its execution chooses among options of the compiler.
CHOSEN = "tuning.chosen"
#: The key of `machine_info` with the command that a session was started with.
COMMAND_KEY = "command_line"
#: How options begin that decide where results are kept and what is shown, and which of them take no value.
OF_PLACES = (
    "--benchmark-",
    "--results-dir",
    "--color",
    "--tb",
    "--durations",
    "--quiet",
    "--verbose",
    "-p",
    "-q",
    "-v",
)
FLAGS = ("--benchmark-autosave", "--benchmark-verbose", "--benchmark-quiet", "--quiet", "--verbose", "-q", "-v", "-vv")


def differences(benchmarks: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return one sentence for each condition in which benchmarks differ; none where they may be compared.

    `benchmarks` are pairs of a side's name (a saved run, "this run") and a benchmark's `extra_info`; those of other
    suites are ignored.
    """
    own = [(side, extra_info) for side, extra_info in benchmarks if is_own({"extra_info": extra_info})]
    sentences = []
    stand_in = distinct(side for side, extra_info in own if lookup(extra_info, STAND_IN) is True)
    real = distinct(side for side, extra_info in own if lookup(extra_info, STAND_IN) is False)
    if stand_in and real:
        sentences.append(
            f"STAND-IN against real: {', '.join(stand_in)} ran on generated text or seeded weights and "
            f"{', '.join(real)} did not; perplexities are not comparable."
        )
    has_one_text = same_rows(extra_info for _, extra_info in own)
    for condition, path in (CONDITIONS | CONDITIONS_IF_KNOWN).items():
        if condition == TEXT and has_one_text:
            continue
        sides_by_value: dict[str, list[str]] = {}
        for side, extra_info in own:
            value = lookup(extra_info, path)
            if value is not None or condition in CONDITIONS:
                sides_by_value.setdefault(condition_text(value), []).append(side)
        if len(sides_by_value) > 1:
            values = (f"{value} in {', '.join(distinct(sides))}" for value, sides in sides_by_value.items())
            sentences.append(f"{condition} differs: {'; '.join(values)}.")
    return [*sentences, *other_options(own)]


def other_options(benchmarks: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return one sentence for each case that was compiled with other options on one side than on another."""
    sides: dict[str, dict[str, list[str]]] = {}
    for side, extra_info in benchmarks:
        chosen = text_at(extra_info, CHOSEN)
        if chosen is not None:
            of_case = sides.setdefault(case_of({"extra_info": extra_info}).id, {})
            of_case.setdefault(chosen, []).append(side)
    return [
        f"the compiler options of {case} differ: "
        + "; ".join(f"{chosen} in {', '.join(distinct(names))}" for chosen, names in by_choice.items())
        + "."
        for case, by_choice in sides.items()
        if len(by_choice) > 1
    ]


def other_commands(environments: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return a sentence where runs were started with different commands; `environments` are their `machine_info`."""
    sides_by_command: dict[str, list[str]] = {}
    for side, environment in environments:
        if isinstance(command := environment.get(COMMAND_KEY), str):
            sides_by_command.setdefault(what_is_measured(command), []).append(side)
    if len(sides_by_command) < 2:
        return []
    commands = (f"`{command}` in {', '.join(distinct(sides))}" for command, sides in sides_by_command.items())
    return [f"the command differs: {'; '.join(commands)}."]


def what_is_measured(command: str) -> str:
    """Return a command without the options that say where results are kept and what is shown."""
    try:
        arguments = shlex.split(command)
    except ValueError:  # no command of a shell
        return command
    kept, has_value = [], False
    for argument in arguments:
        name = argument.partition("=")[0]
        is_of_places = name.startswith(OF_PLACES)
        if not is_of_places and not (has_value and not argument.startswith("-")):
            kept.append(argument)
        has_value = is_of_places and "=" not in argument and name not in FLAGS
    return shlex.join(kept)


def same_rows(benchmarks: Iterable[dict[str, Any]]) -> bool:
    """Tell whether benchmarks, by their `extra_info`, are of the same rows of text in several tokenizers' tokens."""
    listed = list(benchmarks)
    rows, tokenizers = (
        {text_at(one, f"provenance.{key}") for one in listed} for key in ("rows_sha256", "tokenizer_sha256")
    )
    return len(rows) == 1 and len(tokenizers) > 1 and None not in rows | tokenizers


def have_other_texts(benchmarks: Iterable[dict[str, Any]]) -> bool:
    """Tell whether benchmarks, by their `extra_info`, are of different texts, and not of one in other tokens."""
    listed = list(benchmarks)
    return len({text_at(one, CONDITIONS[TEXT]) for one in listed} - {None}) > 1 and not same_rows(listed)


def text_at(extra_info: dict[str, Any], path: str) -> str | None:
    """Return the text that a benchmark has there, or None: a run that was edited may hold anything."""
    value = lookup(extra_info, path)
    return value if isinstance(value, str) else None


def distinct(names: Iterable[str]) -> list[str]:
    """Return names in their order, without repetition."""
    return list(dict.fromkeys(names))


def condition_text(value: object) -> str:
    """Return a condition as text, digests by their beginning."""
    if value is None:
        return "unknown"
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == 64 else str(value)
