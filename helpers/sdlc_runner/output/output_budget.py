"""How much of what happens a model gets to read: little while it happens, always the verdict.

OpenCode keeps the end of what a tool prints and gives all of it to the model, whose context is
money; and a line shown live costs more the more stood before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict

TOTAL = 38_000  # bytes; OpenCode loses the last lines of more than 50 kB
LINES = 400
PER_ATTEMPT = 1_400  # read from `spawn`, again as the subagent's answer, and less of it in `watch`
_CHATTER = 500  # of an attempt's bytes, what may be said before its verdict
_VERDICT, _SHORTEST = 400, 60
_PAUSE = 1.0  # seconds between two lines of chatter
_DOUBLING = 100  # after so many bytes of one attempt's chatter, the pause is twice as long
_NEAR_CHATTER, _NEAR_VERDICT = 20, 10  # shares of what is left in all


class Thinner:
    """Counts what was printed, and says how long the next line may be; 0: not at all."""

    def __init__(self) -> None:
        """Begin with nothing printed."""
        self.used = 0
        self.lines = 0
        self._of: Counter[str] = Counter()
        self._next: defaultdict[str, float] = defaultdict(float)

    def chatter(self, who: str, now: float) -> int:
        """Room for a line about what goes on: rarer the more was said already.

        The first of an attempt waits for nobody: it shows that this one runs too.
        """
        if self._is_full or (self._of[who] and now < max(self._next[""], self._next[who])):
            return 0
        share = min(_CHATTER, (TOTAL - self.used) // _NEAR_CHATTER)
        return max(0, share - self._of[who])

    def excerpt(self, who: str) -> int:
        """Room for the last lines of a failed attempt's log, its verdict still to come."""
        share = min(PER_ATTEMPT - _VERDICT, (TOTAL - self.used) // _NEAR_VERDICT)
        return 0 if self._is_full else max(0, share - self._of[who])

    def verdict(self) -> int:
        """Room for a line that matters."""
        share = max(_SHORTEST, (TOTAL - self.used) // _NEAR_VERDICT)
        return 0 if self._is_full else min(_VERDICT, share)

    def count(self, who: str, size: int) -> None:
        """Note a line that was printed."""
        self.used += size
        self.lines += 1
        self._of[who] += size

    def rest(self, who: str, now: float) -> None:
        """Note that a line of chatter was printed just now."""
        self._next[""] = now + _PAUSE
        self._next[who] = now + _PAUSE * 2 ** (self._of[who] / _DOUBLING)

    @property
    def _is_full(self) -> bool:
        return self.used >= TOTAL - _SHORTEST or self.lines >= LINES - 1
