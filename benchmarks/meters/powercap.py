"""Linux's powercap folder: which of its counters are those of the CPU packages, each of them once."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from benchmarks.meters.meter import MeterError

POWERCAP = Path("/sys/class/powercap")
#: Between the name of a package and the number of a die. Source: Linux, drivers/powercap/intel_rapl_common.c.
DIE = "-die-"
#: A window in which counters are watched, and two reads at one of its ends: two updates of RAPL lie between them.
WINDOW_S, READS_APART_S = 0.1, 0.002
#: What a thread that keeps a core busy hashes at a time: long enough that Python's lock does not matter.
HASHED_BYTES = 2**22


@dataclass(frozen=True)
class Domain:
    """A package, or a die of one: its name, such as package-0-die-1, and the microjoules at which its counter wraps."""

    folder: Path
    name: str
    range_uj: int

    def energy_uj(self) -> int:
        """Read the counter, in microjoules. Raises `MeterError`."""
        return number_in(self.folder / "energy_uj")


def package_domains(folder: Path) -> list[Domain]:
    """Return the domains whose counters together are the energy of all packages; none where there is no package.

    Not their parts (core, uncore, dram), the whole machine (psys), or the memory-mapped copies (`intel-rapl-mmio`).
    Raises `MeterError` where a domain does not say what it is, and where it cannot be told which counters are one.
    """
    names = {path: text_in(path / "name") for path in sorted(folder.glob("*-rapl:*")) if path.name.count(":") == 1}
    packages: dict[str, list[Domain]] = {}
    for path, name in names.items():
        package, _, die = name.partition(DIE)
        # A domain of a whole package counts what its dies do.
        if package.startswith("package") and not (die and package in names.values()):
            packages.setdefault(package, []).append(Domain(path, name, range_in(path / "max_energy_range_uj")))
    watched = [domain for domains in packages.values() if len(domains) > 1 for domain in domains]
    ends = ends_of_windows(watched) if watched else []
    return [
        domain for domains in packages.values() for domain in (distinct(domains, ends) if len(domains) > 1 else domains)
    ]


def text_in(path: Path) -> str:
    """Return what a file holds. Raises `MeterError`."""
    try:
        return path.read_text().strip()
    except PermissionError as error:
        raise MeterError(
            "NO_PERMISSION", f"{path} may be read by root alone; grant it with `sudo chmod a+r {POWERCAP}/*/energy_uj`"
        ) from error
    except OSError as error:
        raise MeterError("COUNTER_UNREADABLE", f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise MeterError("COUNTER_UNREADABLE", f"{path} cannot be read ({error})") from error


def number_in(path: Path) -> int:
    """Return the number of microjoules that a file holds. Raises `MeterError`."""
    text = text_in(path)
    if not (text.isascii() and text.isdecimal()):
        raise MeterError("COUNTER_UNREADABLE", f"{path} holds {ascii(text)[:40]}; expected a number of microjoules")
    return int(text)


def range_in(path: Path) -> int:
    """Return the range of a counter, which is above 0. Raises `MeterError`."""
    range_uj = number_in(path)
    if not range_uj:
        raise MeterError("COUNTER_UNREADABLE", f"{path} holds 0; expected the range of the counter in microjoules")
    return range_uj


@dataclass(frozen=True)
class End:
    """Two reads of every counter at an end of a window, in microjoules."""

    first: Mapping[Domain, int]
    second: Mapping[Domain, int]

    @classmethod
    def of(cls, domains: Sequence[Domain]) -> End:
        """Read counters, wait for two updates, and read them again. Raises `MeterError`."""
        first = {domain: domain.energy_uj() for domain in domains}
        time.sleep(READS_APART_S)
        return cls(first, {domain: domain.energy_uj() for domain in domains})

    def agrees(self, one: Domain, other: Domain) -> bool:
        """Tell whether two counters differ by no more than passes between the two reads of one of them."""
        ahead_uj = (self.first[other] - self.first[one]) % one.range_uj
        behind_uj = (self.first[one] - self.first[other]) % one.range_uj
        return ahead_uj <= self._passed_uj(one) or behind_uj <= self._passed_uj(other)

    def _passed_uj(self, domain: Domain) -> int:
        return (self.second[domain] - self.first[domain]) % domain.range_uj


def ends_of_windows(domains: Sequence[Domain]) -> list[End]:
    """Read counters at both ends of three windows: idle, with one core busy, with all that this process may use.

    Takes 300 ms. Raises `MeterError`.
    """
    ends = []
    for cores in (0, 1, len(os.sched_getaffinity(0))):
        with busy(cores):
            ends.append(End.of(domains))
            time.sleep(WINDOW_S - 2 * READS_APART_S)
            ends.append(End.of(domains))
    return ends


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Keep so many cores busy."""
    is_over, hashed = threading.Event(), bytes(HASHED_BYTES)

    def work() -> None:
        while not is_over.is_set():
            hashlib.sha256(hashed)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(cores)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def distinct(domains: Sequence[Domain], ends: Sequence[End]) -> list[Domain]:
    """Return the domains of a package without those that mirror the counter of one before them.

    Raises `MeterError` where their counters do not tell: all stood still, or one agrees with two that differ, or again
    with one that it differed from.
    """
    if all(ends[0].first[domain] == ends[-1].second[domain] for domain in domains):
        raise unclear(domains, "they stood still with all cores busy")
    mirrors = {domain: [domain] for domain in domains}
    for one, other in combinations(domains, 2):
        if are_one(one, other, ends):
            mirrors[one].append(other)
            mirrors[other].append(one)
    if any(set(mirrors[one]) != set(mirrors[other]) for one in domains for other in mirrors[one]):
        raise unclear(domains, "one agrees with two that differ")
    return [one for place, one in enumerate(domains) if not set(mirrors[one]) & set(domains[:place])]


def are_one(one: Domain, other: Domain, ends: Sequence[End]) -> bool:
    """Tell whether two domains show one counter: they agree at all ends. Raises `MeterError`."""
    agreed = [end.agrees(one, other) for end in ends]
    if agreed != sorted(agreed, reverse=True):
        raise unclear((one, other), "they agree again after they differed")
    return all(agreed)


def unclear(domains: Sequence[Domain], because: str) -> MeterError:
    """Return the error of domains that may show one counter or several."""
    names = ", ".join(domain.name for domain in domains)
    return MeterError(
        "COUNTERS_UNCLEAR", f"whether {names} show one energy counter or several cannot be told: {because}"
    )
