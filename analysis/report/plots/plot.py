"""What a picture of a run is, and where the page shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from core.errors import DeclarationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.report.summary import RunSummary

Draw: TypeAlias = "Callable[[RunSummary, str], Figure | None]"


#: How the page groups pictures, in its order.
OVERVIEW, SPEED, ENERGY, QUALITY, SIZE, TRADE_OFFS, COURSES = SECTIONS = (
    "In one picture",
    "Speed",
    "Energy",
    "Quality",
    "Size",
    "Trade-offs",
    "Course of the measurement",
)
#: Stands in captions where the page says what the run's intervals of a repeat are worth.
REPEAT_PROMISE = "{repeat_promise}"
REPEAT_WHISKER = f"The whisker is the interval of a repeat, which {REPEAT_PROMISE}."
REPEAT_WHISKERS = "Whiskers are 95% intervals of a repeat."
BEST_CORNER = (
    "A point is one benchmark, and the best are at the lower left. The grey line joins those that no other beats in "
    "both figures; whiskers are 95% intervals."
)


@dataclass(frozen=True)
class Plot:
    """A picture: its file's name, its title, and what draws it, or returns None where there is nothing to draw.

    A further one is a module of this folder with a `Plot`.

    On the page it stands in one of the `SECTIONS`, with a caption that says in plain words how to read it.
    """

    name: str
    title: str
    draw: Draw
    section: str = COURSES
    caption: str = ""

    def __post_init__(self) -> None:
        if self.section not in SECTIONS:
            raise DeclarationError(
                f"the picture {self.name} stands in {self.section!r}; expected one of {', '.join(map(repr, SECTIONS))}"
            )

    @property
    def description(self) -> str:
        """What it shows."""
        return self.title
