"""A tokenizer: loaded or refused, what its own call adds to a text, and the digest by which two are the same one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import get_tokenizer_config, tokenizer_class_from_name

from core.errors import InputError, first_line
from core.folders import is_folder
from data_prep.hub import HUB_ERRORS, snapshot_in
from data_prep.text_bytes import TextBytes, text_bytes

#: What transformers has been seen to raise for tokenizers that it does not know or whose files are damaged.
UNLOADABLE: tuple[type[BaseException], ...] = (
    *HUB_ERRORS,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    RecursionError,
    ImportError,  # a tokenizer that needs a library which is not installed
)
#: Files that hold a tokenizer's vocabulary.
VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
)
#: Files of which a folder with a tokenizer has one at least: of config.json alone transformers makes an empty one.
TOKENIZER_FILES = ("tokenizer_config.json", *VOCABULARY_FILES)
#: What tokenizers have been seen to treat differently: texts that begin with a letter, a space and a digit, runs of
#: spaces and of digits, ends of lines, quotes, case, composed and decomposed accents, scripts, characters of two to
#: four bytes, code, and the line of a heading as WikiText-2 has it.
PROBE_TEXTS = (
    " = Robert Boulter = \n",
    "Robert's role, ROBERT'S and robert\u2019s; we'll don't \"quote\" (it) \u2013 @-@",
    "1998 12345 1234567 0.67 , 12,345.67 3rd x86_64",
    "  two  spaces   three\ttab\r\nline\n\n end ",
    "Na\u00efve cafe\u0301 \ufb01ne \u0391\u03b8\u03ae\u03bd\u03b1 \u041c\u043e\u0441\u043a\u0432\u0430 \u0130",
    "\u6771\u4eac\u3067\u3059 \U0001d11e \u00b5\u00bd \u00a0end",
    "def f(x):\n    return x != 0  # nothing\n",
)
#: What a tokenizer's special ids are called, in the order of its digest.
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "unk_token_id", "sep_token_id", "cls_token_id", "mask_token_id")
#: Tokens of a row, at least: one to read and one to predict.
SHORTEST_ROW = 2


class TokenizerError(InputError):
    """A tokenizer is missing or cannot be used."""


@dataclass(frozen=True)
class Encoded:
    """The ids of one text without what the tokenizer adds, and the text's bytes by these."""

    ids: list[int]
    text_bytes: TextBytes


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """A tokenizer of the `tokenizers` library.

    `prefix` and `suffix` are the ids that its own call puts before and behind every text.
    """

    name: str
    backend: PreTrainedTokenizerBase
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]

    @classmethod
    def of(cls, name: str, backend: PreTrainedTokenizerBase) -> Tokenizer:
        """Take a loaded tokenizer. Raises `TokenizerError` where it makes no tokens of text, or of its own code."""
        if not backend.is_fast:
            raise TokenizerError(
                f"The tokenizer {name} is a {type(backend).__name__}, which is slow (written in Python) and does not "
                "say which characters a token stands for; expected one with a tokenizer.json. Convert it, or name "
                "another with --tokenizer ID_OR_DIR."
            )
        probe = PROBE_TEXTS[1]
        encoded = backend(probe, return_special_tokens_mask=True, verbose=False)
        ids, is_special = encoded["input_ids"], encoded["special_tokens_mask"]
        before = next((place for place, special in enumerate(is_special) if not special), len(ids))
        behind = next((place for place, special in enumerate(reversed(is_special)) if not special), 0)
        vocabulary = set(backend.get_vocab().values())
        if before == len(ids) or vocabulary <= set(backend.all_special_ids):
            raise TokenizerError(
                f"The tokenizer {name} has no token for text (its vocabulary has {len(vocabulary)} tokens, and a text "
                f"of {len(probe)} characters becomes {len(ids)} ids); expected the model's vocabulary. Name its "
                "tokenizer with --tokenizer ID_OR_DIR."
            )
        return cls(name, backend, tuple(ids[:before]), tuple(ids[len(ids) - behind :]))

    @property
    def short_name(self) -> str:
        """The name in tables: the last part of a name on the hub, or of a folder's path."""
        return Path(self.name).resolve().name if is_folder(self.name) else self.name.rsplit("/", 1)[-1]

    @property
    def padding_id(self) -> int:
        """The id under padding: its own, else that of the end of text, else 0. Only the mask says what is padding."""
        own, end = self.backend.pad_token_id, self.backend.eos_token_id
        return int(own if own is not None else end if end is not None else 0)

    @cached_property
    def vocabulary_size(self) -> int:
        """The largest id of its tokens, plus 1: so many embeddings a model needs; many have more."""
        return int(max(self._vocabulary.values())) + 1

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        vocabulary: dict[str, int] = self.backend.get_vocab()
        return vocabulary

    @cached_property
    def sha256(self) -> str:
        """The digest by which two tokenizers are the same one.

        It is of the (token, id) pairs, the special ids with that of padding, and the ids of `PROBE_TEXTS`. Not of the
        tokenizer's JSON, which changes when a text has been padded.
        """
        special = [getattr(self.backend, name) for name in SPECIAL_IDS]
        ids = self.backend(list(PROBE_TEXTS), verbose=False)["input_ids"]
        content = [sorted(self._vocabulary.items()), [*special, self.padding_id], ids]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def has_chat_template(self) -> bool:
        """Whether it is a chat model's."""
        return bool(getattr(self.backend, "chat_template", None))

    @property
    def padding_note(self) -> list[str]:
        """A clause on the id under padding, where it is none of the tokenizer's choice."""
        if self.backend.pad_token_id is not None or self.backend.eos_token_id is not None:
            return []
        return ["its tokenizer has neither a padding nor an end-of-text token: id 0 is under padding"]

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return the ids that the tokenizer's own call makes of texts, without prefix and suffix.

        Raises `TokenizerError` where it adds other ids to one text than to another.
        """
        encoded = self.backend(list(texts), return_offsets_mapping=True, verbose=False)
        before, behind = len(self.prefix), len(self.suffix)
        rows = []
        for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True):
            end = len(ids) - behind
            if end < before or (tuple(ids[:before]), tuple(ids[end:])) != (self.prefix, self.suffix):
                raise TokenizerError(
                    f"The tokenizer {self.name} adds {[*self.prefix]} and {[*self.suffix]} to one text and begins "
                    f"another as {ids[:4]}; expected the same ids around every text."
                )
            own = ids[before:end]
            spans = np.array(offsets[before:end], dtype=np.int64).reshape(-1, 2)
            rows.append(Encoded(own, text_bytes(text, spans, partial(self._gives, own, text))))
        return rows

    def _gives(self, ids: Sequence[int], text: str) -> bool:
        """Tell whether ids give a text again, character for character."""
        return bool(self.backend.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False) == text)

    def text_of(self, ids: Sequence[int]) -> str:
        """Return ids as text for people, without special tokens."""
        return str(self.backend.decode(list(ids), skip_special_tokens=True))

    def unknown_tokens(self, ids: Sequence[int]) -> int:
        """Return how many ids stand for characters that the vocabulary does not have."""
        return 0 if self._unknown_id is None else list(ids).count(self._unknown_id)

    @cached_property
    def _unknown_id(self) -> int | None:
        if self.backend.unk_token_id is not None:
            return int(self.backend.unk_token_id)
        # One that transformers was not told of.
        model = json.loads(self.backend.backend_tokenizer.to_str())["model"]
        if model.get("unk_id") is not None:
            return int(model["unk_id"])
        return None if model.get("unk_token") is None else self._vocabulary.get(model["unk_token"])


def load_tokenizer(name_or_folder: str) -> Tokenizer:
    """Load a tokenizer from a folder, the cache or the hub. Raises `TokenizerError` where there is none to use."""
    if is_folder(name_or_folder) and not any((Path(name_or_folder) / name).exists() for name in TOKENIZER_FILES):
        snapshot = snapshot_in(Path(name_or_folder))
        own = "Name the model's tokenizer with --tokenizer ID_OR_DIR."
        if snapshot is not None:
            own = f"It is a folder of the hub's cache: name its snapshot with --tokenizer {snapshot}."
        raise TokenizerError(
            f"The folder {name_or_folder} holds no tokenizer; expected vocab.json, vocab.txt or tokenizer.json in it. "
            + own
        )
    try:
        require_known_class(name_or_folder)
        return Tokenizer.of(name_or_folder, AutoTokenizer.from_pretrained(name_or_folder, trust_remote_code=False))
    except InputError:
        raise
    except HFValidationError as error:
        raise TokenizerError(
            f"The model or tokenizer {name_or_folder!r} is neither a folder nor a name on the hub; expected ID_OR_DIR."
        ) from error
    except Exception as error:
        # The tokenizers library, which is written in Rust, raises plain `Exception` for a damaged vocabulary.
        if type(error) is not Exception and not isinstance(error, UNLOADABLE):
            raise
        raise TokenizerError(
            f"The tokenizer {name_or_folder} could not be loaded: {type(error).__name__}: "
            f"{first_line(error).removesuffix('.')}. Name another with --tokenizer ID_OR_DIR."
        ) from error


def require_known_class(name_or_folder: str) -> None:
    """Raise `TokenizerError` where a tokenizer is code of its own: without it transformers may take another for it."""
    config = get_tokenizer_config(name_or_folder)
    auto_map, class_name = config.get("auto_map"), config.get("tokenizer_class")
    own_code = auto_map.get("AutoTokenizer") if isinstance(auto_map, dict) else auto_map
    if own_code and tokenizer_class_from_name(str(class_name)) is None:
        raise TokenizerError(
            f"The tokenizer {name_or_folder} is code of its own ({ascii(class_name)[:80]}, auto_map in "
            "tokenizer_config.json), which is not run; expected one that transformers has. Name another with "
            "--tokenizer ID_OR_DIR."
        )


def require_long_enough(tokenizer: Tokenizer, tokens: int, published: int) -> None:
    """Raise `TokenizerError` where a tokenizer is for shorter texts than rows of `tokens` and than `published` ones."""
    longest = tokenizer.backend.model_max_length
    if isinstance(longest, (int, float)) and longest < min(tokens, published):
        shorter = "Correct it, or name another tokenizer with --tokenizer ID_OR_DIR."
        if isinstance(longest, int) and longest >= SHORTEST_ROW:
            shorter = (
                f"Make shorter rows with `python -m data_prep --tokenizer {tokenizer.name} --max-length {longest} "
                "--output FOLDER` and name them with --dataset-dir=FOLDER."
            )
        raise TokenizerError(
            f"The tokenizer {tokenizer.name} is for texts of {longest:,} tokens at most (model_max_length), but rows "
            f"have {tokens:,}; expected {published:,} or more. {shorter}"
        )
