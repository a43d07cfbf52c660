"""A thing in a registry for as long as a test runs."""

from __future__ import annotations


def register(monkeypatch, registry, thing) -> None:
    """Put a thing where a file of its kind's folder would have put it."""
    monkeypatch.setitem(registry._things, thing.name, thing)
