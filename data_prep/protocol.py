"""What decides every token of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: More than any model of GPT-2's family reads, and few enough for 1,940 sequences to fit into memory.
LONGEST_SEQUENCE = 65_536
#: The fields that say where text and tokenizer come from.
SOURCES = ("dataset", "config", "split", "text_file", "tokenizer")


@dataclass(frozen=True)
class Protocol:
    """What decides every token: change one of these and the dataset is another one."""

    dataset: str = "Salesforce/wikitext"
    config: str = "wikitext-2-raw-v1"
    split: str = "test"
    text_file: Path | None = None
    tokenizer: str = "openai-community/gpt2"
    max_length: int = 128
    min_chars: int = 50
    seed: int = 42
    packed: bool = False

    def named_sources(self) -> list[str]:
        """Return the options, such as `--text-file`, that name another text or tokenizer than the published ones."""
        default = Protocol()
        changed = [name for name in SOURCES if getattr(self, name) != getattr(default, name)]
        return [f"--{name.replace('_', '-')}" for name in changed]
