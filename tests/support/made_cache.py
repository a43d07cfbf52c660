"""A cache of the hub, made on the spot: rows as `datasets` keeps them, files and tokenizers as the hub's client."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import datasets
import pytest
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from data_prep import hub

ROWS_FOLDER, FILES_FOLDER = "datasets", "hub"
CONFIG, REVISION = "wikitext-2-raw-v1", "0" * 40
CARD = f"""---
configs:
- config_name: {CONFIG}
  data_files:
  - split: test
    path: {CONFIG}/test-*
---
"""


class MadeCache:
    """The cache in a folder, which offline clients of this process read."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        for part in (ROWS_FOLDER, FILES_FOLDER):
            (folder / part).mkdir(parents=True)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / FILES_FOLDER))
        monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / ROWS_FOLDER)
        hub.unreachable_reason.cache_clear()

    def add_rows(self, texts: Sequence[str], revision: str = REVISION, changed_s: float | None = None) -> Path:
        """Keep rows of WikiText-2 as `datasets` does, with its locks; return their folder."""
        folder = self.folder / ROWS_FOLDER / "Salesforce___wikitext" / CONFIG / "0.0.0" / revision
        folder.mkdir(parents=True)
        rows = datasets.Dataset.from_dict({"text": list(texts)})
        with ArrowWriter(path=str(folder / "wikitext-test.arrow"), features=rows.features) as writer:
            for row in rows:
                writer.write(row)
            examples, size = writer.finalize()
        split = {"name": "test", "num_bytes": size, "num_examples": examples, "dataset_name": "wikitext"}
        facts = {
            "features": {"text": {"dtype": "string", "_type": "Value"}},
            "builder_name": "parquet",
            "dataset_name": "wikitext",
            "config_name": CONFIG,
            "version": {"version_str": "0.0.0", "major": 0, "minor": 0, "patch": 0},
            "splits": {"test": split},
        }
        (folder / "dataset_info.json").write_text(json.dumps(facts))
        (folder.parent / f"{revision}_builder.lock").touch()
        (self.folder / ROWS_FOLDER / f"{str(folder).replace('/', '_')}.lock").touch()
        if changed_s is not None:
            os.utime(folder, (changed_s, changed_s))
        return folder

    def add_files(self, texts: Sequence[str]) -> None:
        """Keep WikiText-2 as files of the hub."""
        snapshot = self._snapshot("datasets--Salesforce--wikitext")
        (snapshot / CONFIG).mkdir()
        (snapshot / "README.md").write_text(CARD)
        datasets.Dataset.from_dict({"text": list(texts)}).to_parquet(snapshot / CONFIG / "test-00000-of-00001.parquet")

    def add_tokenizer(self, tokenizer: PreTrainedTokenizerBase) -> Path:
        """Keep a tokenizer as GPT-2's; return its folder."""
        snapshot = self._snapshot("models--openai-community--gpt2")
        tokenizer.save_pretrained(snapshot)
        (snapshot / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
        return snapshot

    def _snapshot(self, repository: str) -> Path:
        folder = self.folder / FILES_FOLDER / repository
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(REVISION)
        (folder / "snapshots" / REVISION).mkdir(parents=True)
        return folder / "snapshots" / REVISION

    def make_unwritable(self, error: int, *, locks_alone: bool = False) -> None:
        """Have the system give an error wherever the cache, or only a lock in it, is opened to be written.

        Tests may run as root, for whom the mode of a file forbids nothing.
        """
        system_open, system_mkdir = os.open, os.mkdir

        def forbidden(path: object) -> bool:
            is_inside = str(path).startswith(str(self.folder))
            return is_inside and (not locks_alone or str(path).endswith(".lock"))

        def opened(path, flags, *how, **more):
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and forbidden(path):
                raise OSError(error, os.strerror(error), str(path))
            return system_open(path, flags, *how, **more)

        def made(path, *how, **more):
            if forbidden(path) and not Path(path).exists():
                raise OSError(error, os.strerror(error), str(path))
            return system_mkdir(path, *how, **more)

        self._monkeypatch.setattr(os, "open", opened)
        self._monkeypatch.setattr(os, "mkdir", made)
