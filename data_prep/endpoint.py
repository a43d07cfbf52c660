"""Which hub to ask: looked at before the hub's clients are imported, because some addresses break that import."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from core.errors import InputError


def require_endpoint() -> None:
    """Raise `InputError` where HF_ENDPOINT is set to something that is not a web address."""
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint is not None and not is_web_address(endpoint):
        raise InputError(
            f"HF_ENDPOINT is {endpoint[:80]!r}; expected an address such as https://huggingface.co (or leave it unset)."
        )


def is_web_address(text: str) -> bool:
    """Tell whether `text` has a scheme of the web, a host and, if any, a port that can be."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is not a number or too large
        return False
