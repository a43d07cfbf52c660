"""What a dataset is: where it comes from, how its rows become tensors, and what must be true of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.tasks import DEFAULT_TASK
from data_prep.protocol import Protocol

if TYPE_CHECKING:  # loading these takes seconds, and the command line is shown without them
    import datasets

    from data_prep.tokenizer import Tokenizer
    from data_prep.tokens import TokenRows


#: What a generated tokenizer is called.
STAND_IN_TOKENIZER = "stand-in"


@dataclass(frozen=True)
class Text:
    """Rows of text (a dataset with its specification's columns), a short name for tables, and where they came from.

    `notes` are clauses that every output says of it.
    """

    rows: datasets.Dataset
    name: str
    source: str
    revision: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class DatasetSpec:
    """A dataset. A further one is a module of this folder with a `DatasetSpec`.

    Its functions import what is heavy when they are called.
    """

    #: The task that it is for, and what it is, as the end of a sentence.
    task: str
    description: str
    #: What decides every token, with every option at its default.
    protocol: Protocol
    #: Those of the protocol's options that can be changed.
    options: tuple[str, ...]
    folder: Path
    stand_in_folder: Path
    #: Its name where rows and protocol are the published ones, the model it is for, and that model's tokenizer.
    name: str
    model: str
    tokenizer: str
    #: Columns of rows of text: the first is tokenized.
    columns: tuple[str, ...]
    #: What the published file of the text is called, and its sha256.
    text_file: str
    text_sha256: str
    #: Whether there is a label for each token of a sequence, or one for each sequence.
    labels: Literal["tokens", "samples"]
    #: The keys that metadata.json must have, and those of them whose values tables show.
    required_metadata: tuple[str, ...]
    names: tuple[str, ...]
    #: The digest of that tokenizer (`data_prep.tokenizer`), the number of its ids, and the id under padding.
    tokenizer_sha256: str
    vocabulary_size: int
    padding_id: int
    #: What the configuration of a model of these tokens says of them, by which one without a tokenizer is assumed to
    #: have them.
    config_ids: Mapping[str, int]
    #: What metadata.json says of the published dataset, and the sha256 of its tensors' little-endian int64 bytes.
    published_metadata: Mapping[str, Any]
    published_sha256: Mapping[str, str]
    #: Rows of the content of a text file; raises `InputError`.
    read_file: Callable[[bytes, Path], datasets.Dataset]
    #: The rows that are used; raises `InputError`.
    select: Callable[[Protocol, datasets.Dataset], datasets.Dataset]
    #: The tokens of rows; raises `InputError`.
    tokenize: Callable[[Protocol, datasets.Dataset, Tokenizer], TokenRows]
    #: Metadata of this dataset alone, from the protocol, the rows, the tokenizer and the tokens.
    facts: Callable[[Protocol, datasets.Dataset, Tokenizer, TokenRows], Mapping[str, Any]]
    #: Generated rows and their tokenizer, from a seed.
    stand_in: Callable[[int], tuple[Text, Tokenizer]]
    #: Real text that every machine has, for a model whose dataset no hub gives; None where there is none of the kind.
    text_at_hand: Callable[[], Text | None] = lambda: None
    #: Whether few other tokenizers have these ids, so that a model may have any number of rows above the vocabulary's:
    #: 50,256 ends the texts of GPT-2's tokens and of few others, 0 is under the padding of many.
    config_ids_tell: bool = True
    #: Whether it is what its task is measured on where no dataset is named: exactly one of a task's datasets is.
    is_default: bool = False

    @property
    def command(self) -> str:
        """The command that prepares it."""
        if not self.is_default:
            return f"python -m data_prep --name {self.name}"
        return "python -m data_prep" + ("" if self.task == DEFAULT_TASK else f" --task {self.task}")

    def named_sources(self, protocol: Protocol) -> list[str]:
        """Return the options, such as `--text-file`, that name another text or tokenizer than the published ones."""
        return protocol.named_sources(self.protocol)
