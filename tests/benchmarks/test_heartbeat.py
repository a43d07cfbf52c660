"""The heartbeat of phases that nothing times: it beats until it is stopped, and leaves no thread."""

from __future__ import annotations

import threading

import pytest

from benchmarks.plugins.heartbeat import Heartbeat

PERIOD_S = 0.001
#: Seconds after which a beat that does not come is one that is lost.
PATIENCE_S = 60.0


class Beats:
    """Counts beats, and says when there have been some."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._beaten = threading.Condition()

    def __call__(self, seconds: float) -> None:
        with self._beaten:
            self.seconds.append(seconds)
            self._beaten.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait until there have been so many."""
        with self._beaten:
            assert self._beaten.wait_for(lambda: len(self.seconds) >= count, PATIENCE_S)


def threads() -> list[threading.Thread]:
    """The threads of heartbeats."""
    return [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


@pytest.fixture
def beats():
    assert not threads()
    return Beats()


@pytest.fixture
def heartbeat(beats):
    made = Heartbeat(beats, PERIOD_S)
    yield made
    made.stop()


def test_it_beats_with_the_seconds_since_it_was_started(heartbeat, beats):
    heartbeat.start()
    beats.wait_for(3)
    heartbeat.stop()
    assert beats.seconds == sorted(set(beats.seconds))
    assert beats.seconds[0] >= 0.9 * PERIOD_S
    assert beats.seconds[2] >= 2.7 * PERIOD_S


def test_it_neither_beats_nor_has_a_thread_before_it_is_started_and_after_it_is_stopped(heartbeat, beats):
    heartbeat.stop()
    assert not threads()
    heartbeat.start()
    beats.wait_for(1)
    heartbeat.stop()
    assert not threads()
    heartbeat.stop()
    assert not threads()


def test_a_long_period_is_not_waited_for_when_it_is_stopped():
    made = Heartbeat(pytest.fail, period_s=1e6)
    made.start()
    stopping = threading.Thread(target=made.stop, daemon=True)
    stopping.start()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert not threads()


def test_started_twice_it_has_one_thread_and_counts_anew(heartbeat, beats):
    heartbeat.start()
    (first,) = threads()
    beats.wait_for(2)
    heartbeat.start()
    (second,) = threads()
    assert not first.is_alive()
    assert second is not first
    beaten = len(beats.seconds)
    beats.wait_for(beaten + 1)
    heartbeat.stop()
    assert not threads()


def test_it_beats_again_after_it_was_stopped(heartbeat, beats):
    for _ in range(2):
        beaten = len(beats.seconds)
        heartbeat.start()
        beats.wait_for(beaten + 1)
        heartbeat.stop()


def test_a_beat_that_is_running_is_over_when_stop_returns():
    entered, go_on, order = threading.Event(), threading.Event(), []

    def beat(_: float) -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)
        order.append("the beat is over")

    def stop() -> None:
        made.stop()
        order.append("it is stopped")

    made = Heartbeat(beat, PERIOD_S)
    made.start()
    assert entered.wait(PATIENCE_S)
    stopping = threading.Thread(target=stop)
    stopping.start()
    go_on.set()
    stopping.join(PATIENCE_S)
    assert order[-1] == "it is stopped"
    assert order[0] == "the beat is over"
    assert not threads()


def test_its_thread_keeps_no_process_from_ending(heartbeat):
    heartbeat.start()
    assert [thread.daemon for thread in threads()] == [True]
