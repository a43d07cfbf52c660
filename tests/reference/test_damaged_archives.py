"""Archives that are damaged, or made to do harm: each is refused, with its name and what is wrong with it."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import tarfile
from pathlib import Path

import pytest

from core.errors import InputError
from reference.archives.reading import files
from reference.archives.shared import KEYS, as_json


def archive(archives: Path, listed: dict[str, bytes], host: str = "h100_x", members: object = ()) -> None:
    """Write an archive with digests of what is in it; `members` are further ones, of any kind."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in listed.items())
        for name, content in {
            f"{host}/SHA256SUMS": sums.encode(),
            **{f"{host}/{k}": v for k, v in listed.items()},
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    packed(archives, lzma.compress(buffer.getvalue()), host)


def packed(archives: Path, content: bytes, host: str = "h100_x") -> None:
    """Write bytes as an archive whose digest is right."""
    archives.mkdir(exist_ok=True)
    (archives / f"{host}.tar.xz").write_bytes(content)
    (archives / "SHA256SUMS").write_text(f"{hashlib.sha256(content).hexdigest()}  {host}.tar.xz\n")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def test_a_member_that_is_not_listed_is_refused(tmp_path):
    archives = tmp_path / "archives"
    archive(archives, {"a.md": b"a"}, members=[(member("h100_x/b.md"), b"")])
    with pytest.raises(InputError, match=r"b\.md has the SHA-256 e3b0c44298fc…; expected one of SHA256SUMS of h100_x"):
        files("h100_x", archives)


@pytest.mark.parametrize(
    "wrong",
    [
        member("/etc/passwd"),
        member("h100_x/../../passwd"),
        member("h100_x/.git"),
        member("h100_x//a.md"),
        member("other/a.md"),
        member("h100_x/a.md"),
        member("h100_x/b.md", tarfile.SYMTYPE, "/etc/passwd"),
        member("h100_x/b.md", tarfile.LNKTYPE, "h100_x/a.md"),
        member("h100_x/b.md", tarfile.FIFOTYPE),
        member("h100_x/b", tarfile.DIRTYPE),
        member("h100_x/b.md", tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda one: f"{one.name} {one.type!r}",
)
def test_a_member_that_is_no_plain_file_of_the_host_is_refused(wrong, tmp_path):
    archive(tmp_path / "archives", {"a.md": b"a"}, members=[(wrong, b"")])
    with pytest.raises(InputError, match=r"h100_x.tar.xz (has the member|holds no tar file)"):
        files("h100_x", tmp_path / "archives")


def test_what_unpacks_to_too_much_or_to_no_tar_file_is_refused(tmp_path):
    archives = tmp_path / "archives"
    for content, said in (
        (b"this is not xz", "no xz file"),
        (lzma.compress(b"not tar"), "no tar file"),
        (lzma.compress(bytes(10240))[:-20], "cut off"),
    ):
        packed(archives, content)
        with pytest.raises(InputError, match=said):
            files("h100_x", archives)
    packed(archives, lzma.compress(bytes(300 * 2**20), preset=0))
    with pytest.raises(InputError, match="larger than 256 MiB unpacked"):
        files("h100_x", archives)


def test_runs_that_are_too_large_with_their_parts_are_refused(tmp_path):
    run_of_parts = as_json({"machine_info": {key: {"stored_in": "shared/cpu_1.json"} for key in KEYS}})
    runs = {f"default/{number:04d}.json": run_of_parts for number in range(20)}
    archive(tmp_path / "archives", {"shared/cpu_1.json": as_json("x" * 5 * 2**20), **runs})
    with pytest.raises(InputError, match="more than 256 MiB in its files, parts in place"):
        files("h100_x", tmp_path / "archives")


def test_a_run_whose_part_is_missing_is_refused(tmp_path):
    stored = as_json({"machine_info": {"metrics": {"stored_in": "shared/metrics_1.json"}}})
    archive(tmp_path / "archives", {"default/0001.json": stored})
    with pytest.raises(InputError, match=r"h100_x/default/0001\.json has its metrics in shared/metrics_1\.json, which"):
        files("h100_x", tmp_path / "archives")


@pytest.mark.parametrize(
    ("part", "named", "said"),
    [
        (b"{", "shared/cpu_1.json", "cannot be made of shared/cpu_1.json: JSONDecodeError"),
        (b"\xff", "shared/cpu_1.json", "cannot be made of shared/cpu_1.json: UnicodeDecodeError"),
        (b"[" * 100_000, "shared/cpu_1.json", "cannot be made of shared/cpu_1.json: RecursionError"),
        (b"{}", ["a"], "has its cpu in ['a'], which is not in the archive"),
        (b"{}", None, "has its cpu in None, which is not in the archive"),
    ],
)
def test_a_part_that_cannot_be_put_in_its_place_is_refused(part, named, said, tmp_path):
    stored = as_json({"machine_info": {"cpu": {"stored_in": named}}})
    archive(tmp_path / "archives", {"shared/cpu_1.json": part, "default/0001.json": stored})
    with pytest.raises(InputError, match=rf"h100_x/default/0001\.json {re.escape(said)}"):
        files("h100_x", tmp_path / "archives")


@pytest.mark.parametrize("size", [-1, -512, -1024, -100_000])
def test_a_member_of_a_size_below_zero_is_refused(size, tmp_path):
    header = bytearray(member("h100_x/b.md").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\xff" + (size % 2**88).to_bytes(11, "big")  # as GNU tar writes a number that has no octal form
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    for tar in (header + bytes(1024), member("h100_x/a.md").tobuf(tarfile.USTAR_FORMAT) + header + bytes(1024)):
        packed(tmp_path / "archives", lzma.compress(tar))
        with pytest.raises(InputError, match=r"h100_x.tar.xz (has the member 'h100_x/b.md'|holds no tar file)"):
            files("h100_x", tmp_path / "archives")
