"""Says before the first test on which data and weights they will run, and whether those are real."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pytest_benchmark.timers import default_timer
from pytest_benchmark.utils import NameWrapper

from analysis.report.notices import GENERATED_TEXT, SEEDED_WEIGHTS, real_data_hint, stand_in_notice
from analysis.report.terminal import wrapped
from analysis.runs.quick import QUICK_NOTICE
from benchmarks.machine.environment import NO_OPTIONS, compiler_options
from benchmarks.plugins.lines import width_of
from benchmarks.plugins.session import SESSION
from core.errors import InputError
from core.folders import is_folder
from fixtures.dataset.batches import require_shape
from fixtures.dataset.folder import DatasetFolder, IntegrityError, UnreadableError
from fixtures.device.unusable import unusable_gpus
from fixtures.executions import EXECUTIONS, EXECUTIONS_OF_QUANTIZED
from fixtures.executions.compilation import cache_folder
from fixtures.models.gguf_files import is_gguf
from fixtures.plugin import SETTINGS
from fixtures.precisions import ALL, PRECISIONS, left_out
from fixtures.settings import Settings
from fixtures.tasks import TASKS, Task, checkpoint_of, dataset_of, tokens_of


def require_shapes(settings: Settings, data: DatasetFolder, metadata: dict[str, Any]) -> None:
    """Raise `InputError` where a batch size or a sequence length needs more than the dataset says it has."""
    rows, tokens = metadata["num_samples"], metadata["max_length"]
    if type(rows) is int and type(tokens) is int:  # otherwise an integrity test says it
        for size in settings.batch_sizes:
            for length in settings.sequence_lengths or (tokens,):
                require_shape(data, rows, tokens, size, length)


def choices(config: pytest.Config, settings: Settings) -> list[str]:
    """Return what was chosen for the user and why, and where compiled code is kept."""
    lines = []
    if getattr(config.option, "benchmark_precision", None) is not None:  # since pytest-benchmark 5.3
        lines.append(
            "note: --benchmark-precision and --benchmark-confidence have no effect here: they count rounds as "
            "independent, which those of one session are not; --visits and --rounds say how many are timed, and the "
            "interval of a repeat how far the figure may be off"
        )
    if config.option.benchmark_timer != str(NameWrapper(default_timer)):
        lines.append(
            f"note: --benchmark-timer {config.option.benchmark_timer} has no effect here: rounds are timed by "
            f"{NameWrapper(default_timer)}"
        )
    if ALL in config.option.precisions:
        lines += [f"left out: {reason}" for reason in left_out(settings.device).values()]
    quantized = [name for name in settings.precisions if PRECISIONS[name].is_quantized]
    if not config.option.executions and settings.executions == EXECUTIONS_OF_QUANTIZED:
        lines.append(
            f"executions: {', '.join(settings.executions)}, for every precision, because of {', '.join(quantized)}: an "
            "eager forward of a quantized model is Python's overhead; --executions chooses others"
        )
    if any(EXECUTIONS[name].compiles for name in settings.executions):
        lines.append(f"compiled code is kept in {cache_folder()}; the first session takes longer")
        own = compiler_options(os.environ)
        if own != NO_OPTIONS:
            lines.append(f"compiler options of the environment: {own}; a tuned execution starts without them")
    return lines


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Find or prepare the data and the weights that the tests need, and name them."""
    settings = config.stash[SETTINGS]
    needed = {name for item in items for name in getattr(item, "fixturenames", ())}
    if config.option.collectonly or "data" not in needed:
        return []  # nothing will run, so nothing has to be prepared or downloaded
    lines: list[str] = []
    stand_ins: dict[str, set[str]] = {}
    try:
        for task in settings.tasks:
            described, of_task = sources(settings, TASKS[task], with_model="checkpoints" in needed)
            lines += described
            stand_ins |= {task: of_task} if of_task else {}
        if "checkpoints" in needed:
            if settings.device.type == "cpu":
                lines += [f"warning: {sentence}" for sentence in unusable_gpus().sentences]
            lines += [f"precisions: {', '.join(settings.precisions)}", *choices(config, settings)]
            floors = config.stash[SESSION].floors
            origins = dict.fromkeys(floor.source for floor in floors.spreads.values())
            lines += [f"noise floor: {'; '.join(origins)}", *(f"warning: {note}" for note in floors.notes)]
    except InputError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
    except (IntegrityError, UnreadableError):
        return []  # an integrity test says it, where it belongs
    notices = [f"*** {QUICK_NOTICE}"] if settings.quick else []
    if stand_ins:
        notices += [f"*** {stand_in_notice(set().union(*stand_ins.values()))}", *map(real_data_hint, stand_ins)]
    width = width_of(config.pluginmanager.getplugin("terminalreporter"))
    return [*lines, *(part for notice in notices for part in wrapped(notice, width))]


def sources(settings: Settings, task: Task, *, with_model: bool) -> tuple[list[str], set[str]]:
    """Find or prepare a task's data, and its model; return lines that name them, and what of it is a stand-in.

    The model comes first, and its tokenizer before weights that have to be downloaded: nothing is prepared for one that
    will not do. Raises `InputError`, and `IntegrityError` where an integrity check will say what is wrong.
    """
    model = settings.model(task.name)
    if not is_folder(model) and not is_gguf(model):
        tokens_of(task, settings)
    checkpoint = checkpoint_of(task, settings) if with_model else None
    data = dataset_of(task, settings)
    metadata = data.metadata()
    lines = [f"dataset: {metadata['dataset_name']} in {data.folder}, tokens of {data.tokenizer_name()}"]
    stand_ins = {GENERATED_TEXT} if metadata.get("stand_in", False) else set()
    require_shapes(settings, data, metadata)
    if checkpoint is not None:
        loaded = data.loaded()
        checkpoint.require_room_for(int((loaded.input_ids * loaded.attention_mask).max()), 1)
        where = f" (the folder {checkpoint.folder.resolve()})" if is_folder(checkpoint.name) else ""
        lines.append(f"model: {checkpoint.name}{where} on {settings.device}")
        lines += [f"baseline: {checkpoint.baseline}"] if checkpoint.baseline else []
        stand_ins |= {SEEDED_WEIGHTS} if checkpoint.stand_in else set()
    lines += [f"note: {note}" for note in data.notes()]
    return lines, stand_ins
