"""An agent that speaks for as long as a test wants, and what a follower must have heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.harness import Event

PAUSE = 0.02

# ``hold()`` waits for ``model.open()``; until then there is a line every PAUSE seconds.
SPEAK = f"""
import threading
done = threading.Event()
count = 0
def speak():
    global count
    while not done.wait({PAUSE}):
        print('line', count, flush=True)
        count += 1
speaker = threading.Thread(target=speak)
speaker.start()
note('speaks')
hold(task)
done.set()
speaker.join()
print('said', count, flush=True)
pathlib.Path(f'{{task}}.txt').write_text('done')
"""


def of(events: Iterable[Event], task: str) -> list[Event]:
    """The events of an attempt at a task that the attempt itself made."""
    return [event for event in events if event.get("task") == task and "seq" in event]


def assert_exact(events: list[Event], task: str = "T001") -> None:
    """Every event once; in order, but for those that were refilled, which are so among themselves.

    And all that the agent said is in them.
    """
    own = of(events, task)
    for late in (False, True):
        seqs = [event["seq"] for event in own if event.get("refilled", False) is late]
        assert seqs == sorted(seqs)
    by_seq = {event["seq"]: event for event in own}
    assert len(by_seq) == len(own), "an event came twice"
    assert sorted(by_seq) == list(range(1, len(own) + 1)), "an event is missing"
    texts = [by_seq[seq]["text"] for seq in sorted(by_seq) if by_seq[seq]["type"] == "log"]
    said = [text for text in texts if text.startswith(("line ", "said "))]
    (count,) = (int(text.split()[1]) for text in said if text.startswith("said "))
    assert said == [*(f"line {number}" for number in range(count)), f"said {count}"]
    assert count
