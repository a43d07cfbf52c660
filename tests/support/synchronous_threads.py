"""Threads whose work is done before their `start` returns: what runs beside them does not depend on their speed."""

from __future__ import annotations

import threading


class SynchronousThreads:
    """Stands in for the module `threading` where only `Thread` is used."""

    class Thread(threading.Thread):
        """Does its work in the thread that starts it."""

        def start(self) -> None:
            self.run()
