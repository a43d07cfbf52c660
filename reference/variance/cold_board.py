"""How energy, time and temperature change over a minute of one loop on a GPU that was idle before.

    python -m reference.variance.cold_board --dataset-dir datasets/gpt2_tokenized_data --precision fp32 --seconds 60

Replays one graph without a pause; the energy counter is read on a tick. Prints Markdown, a row for each window of five
seconds: energy of a forward, time from one to the next, temperature and clock at its end.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from analysis.report.text_tables import markdown_table
from benchmarks.loop import ForwardLoop, Rounds, run_beside
from benchmarks.meters import Reading
from benchmarks.meters.energy_counter import EnergyCounter
from benchmarks.policies import EnergyPolicy
from data_prep.datasets.wikitext2 import SPEC
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.device.nvml import Gpu, open_gpu
from fixtures.executions import EXECUTIONS
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling import TASK

WINDOW_S = 5.0

#: A window, and temperature in degrees Celsius and clock in MHz at its end.
Row = tuple[Reading, int, int]


def metered(gpu: Gpu, seconds: float) -> list[Row]:
    """Return successive windows of the counter; call it beside a loop."""
    counter, end_s = EnergyCounter(gpu, EnergyPolicy()), time.perf_counter() + seconds
    windows = []
    while time.perf_counter() < end_s:
        windows.append((counter.measure(WINDOW_S), gpu.temperature_c(), gpu.sm_clock_mhz()))
    return windows


def rows(rounds: Rounds, windows: list[Row]) -> Iterator[dict[str, str]]:
    """Give a row of text for each window; changes are from the first window."""
    first_mj = None
    for reading, temperature_c, clock_mhz in windows:
        forwards = rounds.between(reading.start_s, reading.end_s)
        energy_mj = reading.energy_mj / forwards
        first_mj = first_mj or energy_mj
        yield {
            "seconds": f"{reading.start_s - rounds.start_s[0]:.0f} to {reading.end_s - rounds.start_s[0]:.0f}",
            "energy mJ": f"{energy_mj:.1f} ({energy_mj / first_mj - 1:+.1%})",
            "loop ms": f"{1000 * (reading.end_s - reading.start_s) / forwards:.4f}",
            "temperature C": str(temperature_c),
            "clock MHz": str(clock_mhz),
        }


def main() -> None:
    """Run the loop and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset-dir", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    device, folder = torch.device("cuda", 0), DatasetFolder(options.dataset_dir, SPEC)
    data = TokenizedDataset(folder, verify(folder, TASK.checks), device).shaped(1, 128)
    precision, gpu = PRECISIONS[options.precision], open_gpu(device)
    model = load_model(find_checkpoint(TASK.model, TASK.model.default, "auto"), precision, device)
    with precision.running(device):
        loop = ForwardLoop(EXECUTIONS["graph"].prepare(model, data.examples), data.batches, device)
        print(f"{gpu.name()}, {options.precision} graph; {gpu.temperature_c()} C before\n", flush=True)
        rounds, windows = run_beside(loop, lambda _: metered(gpu, options.seconds))
    print(markdown_table(pd.DataFrame(rows(rounds, windows))))


if __name__ == "__main__":
    main()
