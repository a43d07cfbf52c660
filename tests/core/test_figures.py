"""Figures of records: the keys that a saved run has of them, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytest

from core.errors import DeclarationError
from core.metrics.declarations import catalogue
from core.metrics.figures import NOT_IN_TABLES, NOT_MEASURED, Figure, Interval, Reason
from core.metrics.keys import keys_of
from core.metrics.ranges import ANY_NUMBER, NOT_NEGATIVE, POSITIVE, SHARE
from core.metrics.records import Record, figure, metric

NO_SOUND = Reason("reason", column="sound_reason", words="why nothing was heard", after="rooms")


@dataclass(frozen=True, kw_only=True)
class Inner(Record):
    share: Figure[float] = metric("", None, "of the whole", within=SHARE, interval=NOT_IN_TABLES, default=NOT_MEASURED)


@dataclass(frozen=True, kw_only=True)
class Sound(Record):
    section: ClassVar[str] = "sound"
    loudness_db: Figure[float] = metric(
        "dB",
        "lower",
        "how loud it is",
        within=ANY_NUMBER,
        interval=Interval(of="the mean", place=7),
        reason=NO_SOUND,
        place=5,
    )
    pitch_hz: Figure[float] = metric(
        "Hz",
        None,
        "how high",
        within=POSITIVE,
        column="pitch",
        interval=Interval(stem="", is_in_tables=False),
        reason=NO_SOUND,
    )
    rooms: int = metric("", None, "rooms listened to", within=NOT_NEGATIVE)
    recording: Figure[str] = figure(reason=Reason("recording_reason"), default=NOT_MEASURED)
    inner: Inner = Inner()


def sound(**changes: Any) -> dict[str, Any]:
    fields = {"loudness_db": Figure(3.0, 2.0, 4.0), "pitch_hz": Figure(440.0), "rooms": 2} | changes
    return Sound(**fields).as_json()


def test_a_figure_has_a_key_for_each_of_its_parts_in_the_order_of_declaration():
    assert list(sound().items()) == [
        ("loudness_db", 3.0),
        ("loudness_ci95_low_db", 2.0),
        ("loudness_ci95_high_db", 4.0),
        ("pitch_hz", 440.0),
        ("ci95_low_hz", None),
        ("ci95_high_hz", None),
        ("rooms", 2),
        ("reason", None),
        ("recording", None),
        ("recording_reason", None),
        ("inner", {"share": None, "share_ci95_low": None, "share_ci95_high": None}),
    ]


def test_figures_that_share_a_reason_give_one():
    missing = Figure(None, reason="silence")
    assert sound(loudness_db=missing)["reason"] == "silence"
    assert sound(loudness_db=missing, pitch_hz=missing)["reason"] == "silence"
    with pytest.raises(
        DeclarationError, match=r"Sound gives several reasons as reason \(silence; noise\); expected one"
    ):
        sound(loudness_db=missing, pitch_hz=Figure(None, reason="noise"))


def test_the_parts_of_a_figure_are_the_metrics_that_it_declares():
    described = {entry["path"]: entry for entry in catalogue([Sound])}
    assert [(path, entry["column"], entry["place"]) for path, entry in described.items()] == [
        ("sound.loudness_db", "loudness_db", 5),
        ("sound.loudness_ci95_low_db", "loudness_ci95_low_db", 7),
        ("sound.loudness_ci95_high_db", "loudness_ci95_high_db", 7),
        ("sound.pitch_hz", "pitch", 7),
        ("sound.rooms", "rooms", 7),
        ("sound.reason", "sound_reason", 7),
        ("sound.inner.share", "share", None),
    ]
    loudness = described["sound.loudness_db"]
    assert (loudness["interval_of"], loudness["low_column"]) == ("the mean", "loudness_ci95_low_db")
    assert [described[path]["is_number"] for path in ("sound.loudness_db", "sound.reason")] == [True, False]


def test_pictures_say_a_reason_only_of_a_figure_that_asks_for_it():
    @dataclass(frozen=True, kw_only=True)
    class Two(Record):
        first: Figure[float] = metric("", None, "x", within=ANY_NUMBER, reason=NO_SOUND, says_why=True)
        second: Figure[float] = metric("", None, "x", within=ANY_NUMBER, reason=NO_SOUND)
        rooms: int

    assert [key.metric.reason_column for key in keys_of(Two)[:2]] == ["sound_reason", None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loudness_db": 3.0}, r"Sound\.loudness_db is a float; expected a Figure"),
        ({"recording": Figure("a", 1.0, 2.0)}, r"Sound\.recording has an undeclared interval"),
        ({"inner": None}, None),
        ({"loudness_db": Figure([3])}, r"Sound\.loudness_db is a list; expected a number"),
    ],
)
def test_a_record_holds_what_it_declares(changes, message):
    if message is None:
        assert sound(**changes)["inner"] is None
        return
    with pytest.raises(DeclarationError, match=message):
        sound(**changes)


def test_a_reason_that_is_not_declared_is_refused_and_not_lost():
    with pytest.raises(DeclarationError, match=r"Inner\.share has an undeclared reason; expected `reason=`"):
        Inner(share=Figure(None, reason="silence"))


@pytest.mark.parametrize(
    ("ends", "message"),
    [((1.0, None), "from 1.0 to None"), ((None, 1.0), "from None to 1.0"), ((2.0, 1.0), "from 2.0 to 1.0")],
)
def test_an_interval_has_two_ends_in_order(ends, message):
    with pytest.raises(DeclarationError, match=f"an interval reaches {message}; expected two ends in order"):
        Figure(1.5, *ends)


def test_an_interval_with_an_end_that_is_no_number_is_refused():
    with pytest.raises(DeclarationError, match="expected two ends in order"):
        Figure(1.5, float("nan"), 2.0)


def test_declarations_that_contradict_a_fields_type_are_refused():
    @dataclass(frozen=True, kw_only=True)
    class Plain(Record):
        loudness_db: float = metric("dB", None, "x", within=ANY_NUMBER, reason=NO_SOUND)

    @dataclass(frozen=True, kw_only=True)
    class Bare(Record):
        loudness_db: Figure[float]

    @dataclass(frozen=True, kw_only=True)
    class Nowhere(Record):
        loudness_db: Figure[float] = figure(reason=NO_SOUND)

    with pytest.raises(DeclarationError, match=r"Plain\.loudness_db is a .*float.* and declares an interval or"):
        keys_of(Plain)
    with pytest.raises(DeclarationError, match=r"Bare\.loudness_db is a Figure and declares neither"):
        keys_of(Bare)
    with pytest.raises(DeclarationError, match="Nowhere has keys behind rooms; expected a field of it"):
        keys_of(Nowhere)


def test_an_estimate_without_ends_has_no_interval():
    nan = float("nan")
    assert Figure.estimated(1.5, 1.0, 2.0) == Figure(1.5, 1.0, 2.0)
    assert Figure.estimated(1.5, nan, nan) == Figure(1.5)


def test_what_a_record_holds_beside_figures_is_plain_json():
    class Pair(NamedTuple):
        first: int
        second: Inner

    @dataclass(frozen=True)
    class Other:
        length: int

    @dataclass(frozen=True, kw_only=True)
    class Holder(Record):
        parts: Any

    inner = {"share": None, "share_ci95_low": None, "share_ci95_high": None}
    held = [Pair(1, Inner()), {"a": (2, Other(3))}]
    assert Holder(parts=held).as_json() == {"parts": [(1, inner), {"a": (2, {"length": 3})}]}


def test_a_number_says_which_values_it_can_have():
    @dataclass(frozen=True, kw_only=True)
    class Rangeless(Record):
        rooms: int | None = metric("", None, "rooms listened to")

    with pytest.raises(
        DeclarationError, match=r"Rangeless\.rooms is a number and does not say which values it can have"
    ):
        keys_of(Rangeless)


@pytest.mark.parametrize("changes", [{"rooms": -1}, {"pitch_hz": Figure(0.0)}, {"pitch_hz": Figure(float("nan"))}])
def test_a_value_that_is_not_possible_is_a_mistake_of_the_record(changes):
    with pytest.raises(DeclarationError, match=r"expected a finite number (from|above) 0"):
        sound(**changes)
