"""Text and tokenizer from the hub's cache: one that cannot be written, one that is damaged, one without a part."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
import torch

from core.errors import InputError
from data_prep import hub, stand_in, text
from data_prep.__main__ import main
from data_prep.datasets.wikitext2 import SPEC
from data_prep.hub_cache import load_rows
from tests.support.made_cache import CONFIG, MadeCache

TEXTS = [f" The row number {number} of a text , which is long enough to be kept as it is . \n" for number in range(9)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeCache]:
    """An empty cache of the hub, which is not reached; the current folder is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield MadeCache(tmp_path / "cache", monkeypatch)
    hub.unreachable_reason.cache_clear()


@pytest.fixture(scope="module")
def tokenizer():
    return stand_in.tokenizer(stand_in.text(0).rows.select(range(5)), 50_256)


def prepare(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["data_prep", *arguments])
    return main()


def prepared() -> tuple[dict, torch.Tensor]:
    """The facts and the ids of the one dataset that was written."""
    (folder,) = Path("datasets").iterdir()
    return json.loads((folder / "metadata.json").read_text()), torch.load(folder / "input_ids.pt")


@pytest.mark.parametrize("locks_alone", [False, True], ids=["all", "locks"])
@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_read(monkeypatch, cache, tokenizer, error, locks_alone):
    cache.add_rows(TEXTS)
    cache.add_tokenizer(tokenizer)
    assert prepare(monkeypatch, "--output", "from-writable") == 0
    cache.make_unwritable(error, locks_alone=locks_alone)
    with pytest.raises(OSError, match="_wikitext_wikitext-2-raw-v1_"):  # what `datasets` alone does
        datasets.load_dataset("Salesforce/wikitext", CONFIG, split="test")
    assert prepare(monkeypatch, "--stand-in", "never") == 0
    facts, ids = prepared()
    assert (facts["dataset_name"], facts["stand_in"], facts["num_samples"]) == ("wikitext-2", False, len(TEXTS))
    assert torch.equal(ids, torch.load("from-writable/input_ids.pt"))


@pytest.mark.parametrize("newest", [0, 1])
def test_of_several_revisions_the_newest_is_read_where_the_cache_cannot_be_written(cache, newest):
    for number in range(2):
        cache.add_rows([f"of revision {number}"], revision=f"{number}" * 40, changed_s=1000 + (number == newest))
    cache.make_unwritable(errno.EROFS)
    assert load_rows("Salesforce/wikitext", CONFIG, "test")["text"][:] == [f"of revision {newest}"]


def test_a_cache_with_the_hubs_own_files_alone_is_read(monkeypatch, cache, tokenizer):
    """As `hf download` leaves it, or where HF_DATASETS_CACHE was another folder."""
    cache.add_files(TEXTS)
    cache.add_tokenizer(tokenizer)
    cache.make_unwritable(errno.EROFS)
    assert prepare(monkeypatch, "--stand-in", "never") == 0
    facts, ids = prepared()
    assert (facts["dataset_name"], facts["stand_in"], len(ids)) == ("wikitext-2", False, len(TEXTS))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-400])


@pytest.mark.parametrize("mode", ["auto", "never"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows, tokenizer: cut(rows / "wikitext-test.arrow"), "The text Salesforce/wikitext"),
        (lambda rows, tokenizer: (rows / "wikitext-test.arrow").unlink(), "The text Salesforce/wikitext"),
        (lambda rows, tokenizer: (rows / "dataset_info.json").write_text("{"), "The text Salesforce/wikitext"),
        (lambda rows, tokenizer: (tokenizer / "tokenizer.json").write_text("{"), "The tokenizer openai-community/gpt2"),
    ],
    ids=["cut", "gone", "facts", "tokenizer"],
)
def test_no_text_takes_the_place_of_one_that_is_cached_and_damaged(
    monkeypatch, capsys, cache, tokenizer, damage, said, mode
):
    damage(cache.add_rows(TEXTS), cache.add_tokenizer(tokenizer))
    assert prepare(monkeypatch, "--stand-in", mode) == 1
    printed = capsys.readouterr().err
    assert f"(HF_HUB_OFFLINE is set) and what is cached cannot be used: {said}" in printed
    assert "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER`" in printed
    assert not list(Path().iterdir())


@pytest.mark.parametrize("is_text_there", [False, True])
def test_what_is_not_cached_is_named_and_another_text_takes_its_place_or_none(
    monkeypatch, capsys, cache, tokenizer, is_text_there
):
    if is_text_there:
        cache.add_rows(TEXTS)
        said = f"openai-community/gpt2 is not cached in {cache.folder / 'hub'}"
    else:
        cache.add_tokenizer(tokenizer)
        said = f"Salesforce/wikitext is not cached in {cache.folder / 'datasets'}"
    assert prepare(monkeypatch, "--stand-in", "never") == 1
    printed = capsys.readouterr().err
    assert f"cannot be reached (HF_HUB_OFFLINE is set) and {said}: " in printed
    assert "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER`" in printed
    assert not list(Path().iterdir())
    assert prepare(monkeypatch) == 0
    assert f"{said}: another text takes the place of wikitext-2." in capsys.readouterr().err
    assert [folder.name for folder in Path("datasets").iterdir()] == ["gpt2_stand_in_data"]


def test_a_download_that_was_broken_off_is_no_copy(monkeypatch, capsys, cache, tokenizer):
    rows = cache.add_rows(TEXTS)
    rows.rename(rows.with_name(f"{rows.name}.incomplete"))
    (rows.with_name(f"{rows.name}.incomplete") / "dataset_info.json").unlink()
    cache.add_tokenizer(tokenizer)
    assert prepare(monkeypatch) == 0
    assert "Salesforce/wikitext is not cached in" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_and_has_no_copy_says_how_to_name_another(cache, monkeypatch):
    """The hub answers; what it sends has no place."""

    def unwritable(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(cache.folder))

    monkeypatch.setattr("datasets.load_dataset", unwritable)
    with pytest.raises(InputError, match=f"Name a cache that can be written in place of {cache.folder}.* with HF_HOME"):
        text.from_hub(SPEC, SPEC.protocol)
