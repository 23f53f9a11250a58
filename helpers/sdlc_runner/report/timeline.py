"""The picture of a run: one row for each attempt, as an SVG that stands alone and runs nothing."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from sdlc_runner.events.types import PhaseName
from sdlc_runner.report import model
from sdlc_runner.report.model import Mood, xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sdlc_runner.report.model import AttemptReport, RunReport


_CUT_SHARE = 0.25  # of the time in which something ran: a longer pause is cut
_CUT_SECONDS = 60.0
_CUT_WIDTH = 24.0
_CUTS_SHARE = 0.3  # of the width, at most, for all cuts
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_TICKS = 8


class Piece(NamedTuple):
    """A stretch of time without a cut, and where it lies."""

    began: float
    ended: float
    left: float
    right: float


class Axis(NamedTuple):
    """Maps seconds of the epoch to the picture; ``step`` is the time between two ticks."""

    pieces: tuple[Piece, ...]
    step: int

    def x(self, at: float) -> float:
        """Return where a moment lies."""
        found = max(0, bisect_right([piece.began for piece in self.pieces], at) - 1)
        piece = self.pieces[found]
        share = (at - piece.began) / (piece.ended - piece.began)
        return piece.left + (piece.right - piece.left) * min(1.0, max(0.0, share))

    def ticks(self, room: float) -> Iterator[float]:
        """Yield the moments to mark, none nearer than ``room`` to the one before."""
        last = float("-inf")
        for piece in self.pieces:
            at = -(-piece.began // self.step) * self.step
            while at <= piece.ended:
                if self.x(at) - last >= room:
                    last = self.x(at)
                    yield at
                at += self.step

    @property
    def cuts(self) -> tuple[float, ...]:
        """Return the middle of each cut."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return tuple((one.right + other.left) / 2 for one, other in pairs)


def build(intervals: Iterable[tuple[float, float]], left: float, right: float) -> Axis:
    """Lay out the times in which something ran between ``left`` and ``right``."""
    busy = _merged(sorted(intervals)) or [(0.0, 1.0)]
    total = sum(ended - began for began, ended in busy)
    stretches = _joined(busy, max(_CUT_SECONDS, total * _CUT_SHARE))
    shown = sum(ended - began for began, ended in stretches)
    cuts = len(stretches) - 1
    gap = min(_CUT_WIDTH, _CUTS_SHARE * (right - left) / cuts) if cuts else 0.0
    scale = (right - left - gap * cuts) / shown
    pieces, x = [], left
    for began, ended in stretches:
        width = (ended - began) * scale
        pieces.append(Piece(began, ended, x, x + width))
        x += width + gap
    step = next((step for step in _STEPS if shown / step <= _TICKS), _day_step(shown))
    return Axis(tuple(pieces), step)


def _day_step(shown: float) -> int:
    return int(-(-shown // (_TICKS * _STEPS[-1])) * _STEPS[-1])


def _merged(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Unite what overlaps; each lasts a moment at least, so that nothing divides by zero."""
    found: list[tuple[float, float]] = []
    for began, ended in intervals:
        ended = max(ended, began + 0.1)  # noqa: PLW2901
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((began, ended))
    return found


def _joined(busy: Sequence[tuple[float, float]], pause: float) -> list[tuple[float, float]]:
    """Unite what is no further apart than ``pause``."""
    found = [busy[0]]
    for began, ended in busy[1:]:
        if began - found[-1][1] <= pause:
            found[-1] = (found[-1][0], ended)
        else:
            found.append((began, ended))
    return found


MARK = "Written by sdlc-runner report"
_WIDTH, _LEFT, _RIGHT = 960, 120, 750
_HEAD, _FOOT = 64, 40
_TICK_ROOM = 64
_LONGEST = 110  # characters of a text
_TO_THE_LEFT = 'text-anchor="end"'
_SHORTEST = 2.0  # a bar that can be seen
_STYLE = """\
.page{fill:#fff}.text{fill:#1f2328}.dim{fill:#59636e}.grid{stroke:#d1d9e0}
.good{fill:#1a7f37}.bad{fill:#cf222e}.halted{fill:#9a6700}.running{fill:#0969da}.around{opacity:.4}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.text{fill:#f0f6fc}.dim{fill:#9198a1}
.grid{stroke:#3d444d}.good{fill:#3fb950}.bad{fill:#f85149}.halted{fill:#d29922}.running{fill:#58a6ff}}"""
_LEGEND = (
    (Mood.GOOD, "verified"),
    (Mood.BAD, "failed"),
    (Mood.HALTED, "ended from outside"),
    (Mood.RUNNING, "running"),
)


class _Row(NamedTuple):
    """Sizes of a row: many attempts get small ones."""

    height: int
    bar: int
    font: int


_LARGE, _SMALL, _FEW = _Row(24, 14, 12), _Row(13, 9, 10), 60


def draw(run: RunReport) -> str:
    """Draw the run; attempts whose time is unknown have a row without a bar."""
    row = _LARGE if len(run.attempts) <= _FEW else _SMALL
    bottom = _HEAD + row.height * len(run.attempts)
    times = [(item.began, item.ended or run.now) for item in run.attempts if item.began is not None]
    scale = build(times, _LEFT, _RIGHT)
    order = sorted(run.attempts, key=lambda item: (item.began is None, item.began or 0, item.name))
    lines = [
        *_head(run, bottom + _FOOT),
        *(_grid(scale, bottom) if times else ()),
        *(
            line
            for at, item in enumerate(order)
            for line in _attempt(item, run.now, scale, row, _HEAD + at * row.height)
        ),
        *_legend(bottom, {item.mood for item in run.attempts}),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def alternative(run: RunReport) -> str:
    """Say in words what the picture shows."""
    when = _when(run)
    return f"{run.outcomes}, {when}." if when else f"{run.outcomes}."


def _when(run: RunReport) -> str:
    """Say from when to when attempts ran; empty where none left a trace of it."""
    times = [time for item in run.attempts for time in (item.began, item.ended) if time is not None]
    if not times:
        return ""
    return f"from {model.moment(min(times))} to {model.moment(max(times))} UTC"


def _head(run: RunReport, height: int) -> Iterator[str]:
    title = f"Timeline of {run.feature}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-labelledby="title description" '
        'font-family="system-ui,sans-serif" font-size="12">'
    )
    yield f"<!-- {MARK} -->"
    yield f'<title id="title">{xml(title)}</title>'
    yield f'<desc id="description">{xml(alternative(run))}</desc>'
    yield f"<style>{_STYLE}</style>"
    yield f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>'
    yield _text(16, 24, title, "text", 'font-size="15"')
    yield _text(_WIDTH - 16, 24, _when(run), "dim", _TO_THE_LEFT)


def _grid(scale: Axis, bottom: int) -> Iterator[str]:
    top = _HEAD - 6
    exact = scale.step % 60 != 0
    for at in scale.ticks(_TICK_ROOM):
        x = scale.x(at)
        label = model.moment(at, date=False, exact=exact)
        yield f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>'
        yield _text(x, top - 6, label, "dim", 'text-anchor="middle" font-size="11"')
    for x in scale.cuts:
        d = f"M{x - 3:.1f} {top}V{bottom}M{x + 3:.1f} {top}V{bottom}"
        pause = "<title>a pause, cut short</title>"
        yield f'<path class="grid" stroke-dasharray="2 3" d="{d}">{pause}</path>'


def _attempt(item: AttemptReport, now: float, scale: Axis, row: _Row, top: int) -> Iterator[str]:
    base, bar = top + row.height * 0.7, top + (row.height - row.bar) / 2
    more = f" +{len(item.tasks) - 1}" if len(item.tasks) > 1 else ""
    lasted = model.duration(item.seconds)
    words = f"{item.outcome}{f' · {lasted}' if lasted else ''}"
    yield f'<g font-size="{row.font}"><title>{xml(_tooltip(item, words))}</title>'
    yield _text(_LEFT - 10, base, (item.name + more)[:22], "text", _TO_THE_LEFT)
    if item.began is not None:
        shade = f'class="{item.mood.value} around"'
        yield _bar(scale, item.began, item.ended or now, shade, bar, row.bar)
        for span in item.spans:
            if span.phase == PhaseName.WORKING.value:
                end = span.ended if item.ended else now if span is item.spans[-1] else span.ended
                yield _bar(scale, span.began, end, f'class="{item.mood.value}"', bar, row.bar)
    yield _text(_RIGHT + 14, base, words, "text")
    yield "</g>"


def _tooltip(item: AttemptReport, words: str) -> str:
    began = f", began {model.moment(item.began, exact=True)} UTC" if item.began else ""
    return f"{item.name} ({', '.join(item.tasks)}): {words}{began}"


def _bar(scale: Axis, began: float, ended: float, shade: str, y: float, height: int) -> str:
    left, right = scale.x(began), scale.x(ended)
    width = max(_SHORTEST, right - left)
    return (
        f'<rect {shade} x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="2"/>'
    )


def _legend(bottom: int, moods: set[Mood]) -> Iterator[str]:
    y, x = bottom + 20, _LEFT
    for mood, text in _LEGEND:
        if mood not in moods:
            continue
        yield f'<rect class="{mood.value}" x="{x}" y="{y - 9}" width="12" height="10" rx="2"/>'
        yield _text(x + 18, y, text, "dim")
        x += 40 + 7 * len(text)
    yield _text(x, y, "pale: before and after the agent works; times in UTC", "dim")


def _text(x: float, y: float, text: str, shade: str, more: str = "") -> str:
    return f'<text class="{shade}" x="{x:.1f}" y="{y:.1f}" {more}>{xml(text, _LONGEST)}</text>'
