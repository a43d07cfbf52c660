"""What tells this machine from others of the same name and processor, without saying which it is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from functools import cache
from pathlib import Path

#: Where Linux keeps a machine's number, the best first: the mainboard's or virtual machine's, which root alone may
#: read; the installation's, which copies of one image may share; and one of this start of the machine.
NUMBERS = (
    Path("/sys/class/dmi/id/product_uuid"),
    Path("/etc/machine-id"),
    Path("/proc/sys/kernel/random/boot_id"),
)
#: Of this program alone: another program's hash of the same number is another one. As machine-id(5) asks for.
SALT = b"gpt2-precision-benchmark: noise floors"
DIGITS = 16
#: What an image holds in place of the installation's number until it is started for the first time (machine-id(5)).
UNINITIALIZED = "uninitialized"


@cache
def machine_key(cpu_model: str | None, numbers: Iterable[Path] = NUMBERS) -> str | None:
    """Return a hash of this machine's number and processor that does not tell the number; None where there is none.

    Source: machine-id(5): "should be hashed with a cryptographic, keyed hash function, using a fixed,
    application-specific key".
    """
    for path in numbers:
        try:
            number = path.read_text(encoding="utf-8").strip().lower()
        except (OSError, UnicodeDecodeError):
            continue
        if number.strip("0-") and number != UNINITIALIZED:
            return hmac.new(SALT, f"{number}\n{cpu_model}".encode(), hashlib.sha256).hexdigest()[:DIGITS]
    return None
