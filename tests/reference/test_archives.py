"""Archives of runs: read back as they were packed, the same bytes again, none of a folder that is not of a host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given

from core.errors import InputError
from reference.archives import reading, writing
from reference.archives.reading import ARCHIVES, files, hosts
from reference.archives.shared import KEYS, as_json, with_shared, without_shared
from reference.archives.writing import pack
from reference.pack import main as pack_main
from reference.unpack import main as unpack_main
from reference.unpack import unpack
from tests.support.json_values import json_values

METRICS = [{"column": "median_latency_ms", "unit": "ms"}]


def run(number: float, **machine: object) -> str:
    """A run, written as pytest-benchmark writes it."""
    environment = {"node": "vm", "metrics": METRICS, "gpu": {"uuid": "GPU-1"}, "rounds_file": None, **machine}
    return json.dumps({"machine_info": environment, "benchmarks": [{"b": number, "a": [None, float("nan")]}]}, indent=4)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A host's folder with three runs, rounds and a text."""
    place = tmp_path / "runs" / "h100_x"
    (place / "default" / "rounds").mkdir(parents=True)
    (place / "default" / "0001.json").write_text(run(0.1))
    (place / "default" / "0002.json").write_text(run(1e-7))
    (place / "sweep").mkdir()
    (place / "sweep" / "0001.json").write_text(run(3, metrics=[*METRICS, {"column": "µ"}], tasks=None))
    (place / "default" / "rounds" / "0001.npz").write_bytes(bytes(range(256)))
    (place / "notes.md").write_text("warm\n")
    return place


def test_every_file_is_read_back_as_it_was(folder, tmp_path):
    path = pack(folder, tmp_path / "archives")
    found = files("h100_x", tmp_path / "archives")
    assert path.name == "h100_x.tar.xz"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found.keys() == names
    for name in names:
        before, after = (folder / name).read_bytes(), found[name]
        if name.endswith(".json"):  # in other spaces, in the same order
            before, after = (json.dumps(json.loads(content)).encode() for content in (before, after))
        assert after == before, name


def test_what_runs_repeat_is_stored_once(folder, tmp_path):
    path = pack(folder, tmp_path / "archives")
    with tarfile.open(path) as opened:
        names = [one.name.removeprefix("h100_x/") for one in opened]
        (stored,) = [json.load(opened.extractfile(one)) for one in opened if one.name.endswith("default/0002.json")]
        assert {(one.mtime, one.uid, one.gid, one.uname) for one in opened} == {(0, 0, 0, "")}
    assert stored["machine_info"]["metrics"] == {"stored_in": "shared/metrics_1.json"}
    assert [name for name in names if "shared" in name] == [
        "shared/metrics_1.json",
        "shared/metrics_2.json",
        "shared/tasks_1.json",
    ]
    assert names == ["SHA256SUMS", *sorted(names[1:])]


@given(json_values)
def test_any_value_of_a_shared_part_comes_back(value):
    content, parts = as_json({"machine_info": {"a": 1, **dict.fromkeys(KEYS, value), "z": value}}), {}
    stored = without_shared(content, parts, "a run")
    assert with_shared(stored, parts, "a run") == content
    assert len(parts) == len(KEYS)


def test_the_same_files_make_the_same_bytes_and_sha256sum_agrees(folder, tmp_path):
    archives = tmp_path / "archives"
    first = pack(folder, archives).read_bytes()
    shutil.copytree(folder, tmp_path / "again" / "h100_x")
    assert pack(tmp_path / "again" / "h100_x", archives).read_bytes() == first
    shutil.copytree(folder, tmp_path / "again" / "h100_y")
    pack(tmp_path / "again" / "h100_y", archives)
    assert hosts(archives) == ["h100_x", "h100_y"]
    sha256sum(archives)
    with tarfile.open(archives / "h100_y.tar.xz") as opened:
        opened.extractall(tmp_path / "extracted", filter="data")
    sha256sum(tmp_path / "extracted" / "h100_y")


def sha256sum(folder: Path) -> None:
    """Let the command check a folder's list."""
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_unpacking_makes_the_folder_again_and_overwrites_nothing(folder, tmp_path):
    archives, to = tmp_path / "archives", tmp_path / "to"
    pack(folder, archives)
    assert unpack("h100_x", to, archives) == 5
    assert pack(to / "h100_x", tmp_path / "other").read_bytes() == (archives / "h100_x.tar.xz").read_bytes()
    (to / "h100_x" / "default" / "0001.json").write_text(run(0.1))  # the same with other spaces
    (to / "h100_x" / "notes.md").unlink()
    assert unpack("h100_x", to, archives) == 5
    assert (to / "h100_x" / "notes.md").read_text() == "warm\n"
    (to / "h100_x" / "notes.md").write_text("cold\n")
    with pytest.raises(InputError, match=r"notes.md is there and differs from the archive's"):
        unpack("h100_x", to, archives)
    assert (to / "h100_x" / "notes.md").read_text() == "cold\n"


def test_an_archive_that_is_not_the_one_listed_is_refused(folder, tmp_path):
    archives = tmp_path / "archives"
    path = pack(folder, archives)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"h100_x.tar.xz has the SHA-256 \w{12}…; expected \w{12}… of SHA256SUMS"):
        files("h100_x", archives)
    (archives / "SHA256SUMS").write_text("")
    with pytest.raises(InputError, match="expected one of SHA256SUMS"):
        files("h100_x", archives)
    (archives / "SHA256SUMS").write_text("not a digest\n")
    with pytest.raises(InputError, match=r"Line 1 of .*SHA256SUMS is no digest with a name"):
        files("h100_x", archives)
    with pytest.raises(InputError, match="no archive of h200_x; expected one of h100_x"):
        files("h200_x", archives)


def test_archives_that_are_packed_at_the_same_time_are_both_listed(folder, tmp_path, monkeypatch):
    archives, write = tmp_path / "archives", writing.write
    shutil.copytree(folder, tmp_path / "runs" / "h100_y")
    other = threading.Thread(target=pack, args=(tmp_path / "runs" / "h100_y", archives))

    def write_while_the_other_packs(path: Path, content: str | bytes) -> Path:
        if path.name == "h100_x.tar.xz":
            other.start()
            other.join(1)  # it ends where nothing makes it wait
        return write(path, content)

    monkeypatch.setattr(writing, "write", write_while_the_other_packs)
    pack(folder, archives)
    other.join()
    for host in ("h100_x", "h100_y"):
        assert len(files(host, archives)) == 5


def test_an_archive_whose_digest_was_not_written_can_be_packed_again(folder, tmp_path, monkeypatch):
    archives, write = tmp_path / "archives", writing.write
    pack(folder, archives)
    (folder / "notes.md").write_text("cold\n")

    def ended_before_the_digests(path: Path, content: str | bytes) -> Path:
        if path.name == "SHA256SUMS":
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(writing, "write", ended_before_the_digests)
    with pytest.raises(KeyboardInterrupt):
        pack(folder, archives)
    monkeypatch.setattr(writing, "write", write)
    with pytest.raises(InputError, match=r"`python -m reference.pack results/runs/h100_x` makes the archive"):
        files("h100_x", archives)
    pack(folder, archives)
    assert files("h100_x", archives)["notes.md"] == b"cold\n"


def test_a_folder_that_no_archive_can_hold_is_refused(folder, tmp_path):
    def refused(name: str, content: str, said: str) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        with pytest.raises(InputError, match=said):
            pack(folder, tmp_path / "archives")
        path.unlink()

    refused(
        "default/0003.json", run(1, gpu={"uuid": "GPU-2"}), "holds runs of GPU-1 and GPU-2; expected a folder for each"
    )
    refused("default/0003.json", "{", "0003.json is not a saved run: JSONDecodeError")
    refused("default/0003.json", "[]", "0003.json is not a saved run: it has no machine_info")
    refused("default/.0003.json.1", run(1), r"\.0003.json.1 has a name that no archive takes")
    refused("shared/metrics_1.json", "[]", "metrics_1.json has a name that no archive takes")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty is no name of a host; expected one such as h100_0fc80ab7"):
        pack(tmp_path / "empty", tmp_path / "archives")
    with pytest.raises(InputError, match="a_b holds no file"):
        pack(tmp_path / "a_b", tmp_path / "archives")
    assert not (tmp_path / "archives").exists()


def test_a_link_is_packed_neither_as_what_it_names_nor_left_out(folder, tmp_path):
    for target in (tmp_path / "secret.md", tmp_path, tmp_path / "lost.md"):
        (tmp_path / "secret.md").write_text("secret\n")
        (folder / "link.md").symlink_to(target)
        with pytest.raises(InputError, match=r"link\.md is a link or a device; expected folders and plain files"):
            pack(folder, tmp_path / "archives")
        (folder / "link.md").unlink()
    os.mkfifo(folder / "pipe.md")
    with pytest.raises(InputError, match=r"pipe\.md is a link or a device"):
        pack(folder, tmp_path / "archives")


def test_the_committed_archives_are_those_listed_and_hold_every_run():
    assert {line.split()[1] for line in (ARCHIVES / "SHA256SUMS").read_text().splitlines()} == {
        f"{host}{reading.SUFFIX}" for host in hosts()
    }
    every = [name for host in hosts() for name in files(host)]
    assert sum(name.endswith(".json") for name in every) == 133
    assert sum(name.endswith(".npz") for name in every) == 85


def test_the_commands_pack_and_unpack(folder, tmp_path):
    def command(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(words, cwd=ARCHIVES.parents[1], capture_output=True, text=True, check=False)

    done = command("reference.pack", folder, "--reference", tmp_path / "archives")
    assert (done.returncode, done.stdout.split(" (")[0]) == (0, f"wrote {tmp_path}/archives/h100_x.tar.xz")
    done = command("reference.unpack", "h100_73b05a80", "--to", tmp_path / "to")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/to/h100_73b05a80: 1 files\n")
    assert (tmp_path / "to" / "h100_73b05a80" / "decode_64" / "0001.json").is_file()
    done = command("reference.unpack", "h100_nothing", "--to", tmp_path / "to")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_the_folder_of_a_host_may_be_the_current_one(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["pack", ".", "--reference", str(tmp_path / "archives")])
    assert pack_main() == 0, capsys.readouterr().err
    assert hosts(tmp_path / "archives") == ["h100_x"]


def test_a_place_that_cannot_be_read_or_written_is_an_error_of_one_line(folder, tmp_path, monkeypatch, capsys):
    def refused(main: Callable[[], int], place: Path, *words: object) -> None:
        monkeypatch.setattr("sys.argv", ["command", *map(str, words)])
        assert main() == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {place} cannot be read or written (")

    file, to = tmp_path / "file", tmp_path / "to"
    file.write_text("")
    in_its_place = to / "h100_73b05a80" / "decode_64" / "0001.json"
    in_its_place.mkdir(parents=True)
    refused(unpack_main, file / "h100_73b05a80" / "decode_64", "h100_73b05a80", "--to", file)
    refused(unpack_main, in_its_place, "h100_73b05a80", "--to", to)
    refused(pack_main, file, folder, "--reference", file)
