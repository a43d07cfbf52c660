"""A folder is written whole or not at all, whatever happens on the way, and nothing of others is touched."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import InputError
from core.folders import PREVIOUS, UNFINISHED, prefix, replaced_folder
from data_prep.layout import FILE_NAMES, write_dataset
from tests.support.tiny import ORIGINAL_METADATA, REPOSITORY, tiny_tensors


def test_files_of_others_are_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.tex"):
        write_dataset(tmp_path, tiny_tensors(), ORIGINAL_METADATA)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_full_disk_leaves_the_old_dataset(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    before = {name: (folder / name).read_bytes() for name in FILE_NAMES}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA | {"seed": 1})
    assert {name: (folder / name).read_bytes() for name in FILE_NAMES} == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


#: Moments of writing over an old dataset, by the call that is the last thing the process does: (call, how many times it
#: works before).
MOMENTS = [
    ("torch.save", 0),
    ("os.fsync", 0),
    ("pathlib.Path.rename", 0),
    ("pathlib.Path.rename", 1),
    ("shutil.rmtree", 0),
]


def killed_while_writing(folder: Path, moment: str, before: int, seed: int) -> None:
    """Write a dataset in a process that is killed at a moment."""
    owner, _, name = moment.rpartition(".")
    works, calls = pkgutil.resolve_name(moment), []

    def deadly(*arguments, **options):
        calls.append(arguments)
        if len(calls) > before:
            os.kill(os.getpid(), signal.SIGKILL)
        return works(*arguments, **options)

    def write():
        setattr(pkgutil.resolve_name(owner), name, deadly)
        write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA | {"seed": seed})

    process = multiprocessing.get_context("fork").Process(target=write)  # another would have to import torch first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, of which the child needs none
        process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("moment", "before"), MOMENTS)
def test_a_killed_run_leaves_the_old_dataset_or_the_new_one_or_none(tmp_path, moment, before):
    folder = tmp_path / "data"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    old = content(folder)
    killed_while_writing(folder, moment, before, seed=1)
    if folder.exists():
        assert content(folder) == old or b'"seed": 1' in content(folder)["metadata.json"]
        assert sorted(content(folder)) == sorted(FILE_NAMES)
    # The next run clears away whatever is left, and what it cannot write it leaves as it was.
    with pytest.raises(InputError, match="No space left"), full_disk():
        write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    assert sorted(content(folder)) == sorted(FILE_NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@contextmanager
def full_disk() -> Iterator[None]:
    """Nothing more can be written."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        yield


def test_what_a_running_process_is_writing_is_left_alone(tmp_path):
    folder = tmp_path / "data"
    other = tmp_path / f"{prefix(folder, UNFINISHED)}1"
    other.mkdir()
    gone = 2**22 + 1  # above the largest number that Linux gives
    # This process's own number: in a container an earlier process had it too.
    for process in (gone, 2**80, os.getpid()):
        (tmp_path / f"{prefix(folder, UNFINISHED)}{process}").mkdir()
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    assert {path.name for path in tmp_path.iterdir()} == {"data", other.name}


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    write_dataset(tmp_path / "link", tiny_tensors(), ORIGINAL_METADATA)
    assert (tmp_path / "link").is_symlink()
    assert sorted(content(tmp_path / "disk")) == sorted(FILE_NAMES)


def test_a_rename_that_fails_puts_the_old_dataset_back(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    old, rename = content(folder), Path.rename

    def failing(path: Path, target: Path) -> Path:
        if UNFINISHED in path.name:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InputError, match="Input/output error"):
        write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA | {"seed": 1})
    assert content(folder) == old
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_run_killed_between_two_renames_is_undone_by_the_next(tmp_path):
    folder = tmp_path / "data"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    old = content(folder)
    killed_while_writing(folder, "pathlib.Path.rename", 1, seed=1)
    assert [path.name for path in tmp_path.iterdir() if PREVIOUS in path.name]
    with pytest.raises(InputError), full_disk():
        write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    assert content(folder) == old


@pytest.mark.parametrize("name", ["file", "file/inside", "x" * 300, "."])
def test_a_place_where_no_folder_can_be_is_one_sentence(tmp_path, monkeypatch, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path / "empty" if name == "." else tmp_path)
    with pytest.raises(InputError, match="choose another place with --output"):
        write_dataset(Path(name), tiny_tensors(), ORIGINAL_METADATA)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_a_folder_of_a_fixed_place_is_answered_with_another_to_run_in(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            InputError, match=r"file cannot be used as a folder \(Not a directory\); run in another folder\.$"
        ),
        replaced_folder(tmp_path / "file", ()),
    ):
        raise AssertionError


@pytest.mark.slow
def test_seeded_weights_that_do_not_fit_on_the_disk_are_one_sentence_and_leave_nothing(tmp_path):
    script = """
import dataclasses, resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
from core.errors import InputError
from fixtures.models.checkpoint import seeded_folder
from fixtures.tasks.language_modeling import TASK
from tests.support.tiny import tiny_gpt2
try:
    seeded_folder(dataclasses.replace(TASK.model, seeded=tiny_gpt2))
except InputError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "The seeded weights (3 MB) could not be written" in done.stdout, done.stderr
    assert list((tmp_path / "datasets").iterdir()) == []


def test_of_two_that_make_a_new_folder_at_the_same_time_the_first_wins(tmp_path):
    """The second ends later and leaves the first one's files as they are: somebody may be reading them."""
    folder = tmp_path / "data"
    with replaced_folder(folder, FILE_NAMES) as unfinished:
        (unfinished / "metadata.json").write_text("second")
        folder.mkdir()
        (folder / "metadata.json").write_text("first")
    assert (folder / "metadata.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_folder_that_appears_while_the_new_one_is_renamed_stays(tmp_path, monkeypatch):
    folder, rename = tmp_path / "data", Path.rename

    def slower(path: Path, target: Path) -> Path:
        folder.mkdir()
        (folder / "metadata.json").write_text("first")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", slower)
    with replaced_folder(folder, FILE_NAMES) as unfinished:
        (unfinished / "metadata.json").write_text("second")
    assert (folder / "metadata.json").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
