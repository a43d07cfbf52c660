"""What decides every token of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: More than any model of GPT-2's family reads, and few enough for 1,940 sequences to fit into memory.
LONGEST_SEQUENCE = 65_536
#: The fields that say where text and tokenizer come from.
SOURCES = ("dataset", "config", "split", "text_file", "tokenizer")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What decides every token: change one of these and the dataset is another one."""

    dataset: str
    config: str
    split: str
    tokenizer: str
    text_file: Path | None = None
    max_length: int = 128
    seed: int = 42
    min_chars: int = 0
    packed: bool = False

    def named_sources(self, published: Protocol) -> list[str]:
        """Return the options, such as `--text-file`, that name another text or tokenizer than the published ones."""
        changed = [name for name in SOURCES if getattr(self, name) != getattr(published, name)]
        return [f"--{name.replace('_', '-')}" for name in changed]
