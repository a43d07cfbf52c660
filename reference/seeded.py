"""The twin of a trained model with weights drawn from a seed: `python -m reference.seeded FOLDER OUTPUT`.

FOLDER holds a model and its tokenizer, such as one of `datasets/*_from_gguf`. What of speed and energy depends on the
values of the weights is the difference between the two.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
import transformers

from core.folders import replaced_folder
from fixtures.models.checkpoint import STAND_IN_SEED
from fixtures.models.gguf_files import ORIGIN
from reference.commands import exit_code


def write_twin(folder: Path, output: Path) -> None:
    """Write a model of a folder's configuration with weights as its class draws them, and the folder's tokenizer.

    Raises `InputError` where it cannot be written, `OSError` where the folder holds no model.
    """
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if hasattr(config, ORIGIN):
        delattr(config, ORIGIN)
    config.stand_in = True
    torch.manual_seed(STAND_IN_SEED)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    earlier = tuple(path.name for path in output.iterdir()) if output.is_dir() else ()
    with replaced_folder(output, earlier, "name another OUTPUT") as unfinished:
        model.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)


def main() -> int:
    """Write the twin; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference.seeded", description=(__doc__ or "").split(":")[0])
    parser.add_argument("folder", type=Path, help="a model and its tokenizer")
    parser.add_argument("output", type=Path, help="the folder to write")
    options = parser.parse_args()
    return exit_code(
        lambda: write_twin(options.folder, options.output), options.folder, "a model and its tokenizer in FOLDER"
    )


if __name__ == "__main__":
    sys.exit(main())
