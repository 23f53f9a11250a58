"""Events as text for people: one line each, in color only where it is wanted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sdlc_runner.events.types import EventType, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sdlc_runner.events.codec import Event

_RESET = "\x1b[0m"
_COLOURS = {"good": "\x1b[32m", "bad": "\x1b[31m", "warn": "\x1b[33m", "dim": "\x1b[2m"}
_WIDTH, _TABLE_WIDTH = 5, 8  # of the task's name
SUMMARY_TYPES = frozenset(EventType) - {
    EventType.LOG,
    EventType.USAGE,
    EventType.HEARTBEAT,
    EventType.MESSAGE,
}
"""What ``--detail summary`` shows."""


def line(event: Event, *, colour: bool = False, exact: bool = False) -> str:
    """Write an event as one line for people; ``exact`` keeps outcomes as on the wire, for models.

    A hint, a next command or an excerpt adds lines.
    """
    fields = event.fields
    if event.key is not None and fields.get("detail") == event.key.task:
        fields = {**fields, "detail": ""}  # the line names it already
    text, mood = _WORDS[event.type](fields)
    if not exact and event.type in _ENDS:
        ended = str(fields.get("outcome") or fields.get("status") or "")
        text = text.replace(ended, ended.replace("_", " "), 1)
    if colour and mood:
        text = f"{_COLOURS[mood]}{text}{_RESET}"
    return f"{_who(event)}{text}".rstrip()


def _who(event: Event) -> str:
    """Name the attempt, its number only from the second on; in a table all in one width."""
    if event.key is None or not event.key.task:
        return ""
    name = str(event.key) if event.key.number > 1 else event.key.task
    width = _TABLE_WIDTH if event.type in {EventType.ROW, EventType.PLANNED} else _WIDTH
    return f"{name:<{width}} "


_Words = tuple[str, str]  # the text, and its mood: a key of _COLOURS or empty
_ENDS = frozenset({EventType.RESULT, EventType.OUTCOME, EventType.ROW})
_MINUTE, _HOUR = 60, 3600


def counted(count: int, noun: str) -> str:
    """Write ``1 task``, ``2 tasks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """Write ``12.3s``, ``1m42s`` or ``1h02m``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"


def _hint(fields: Mapping[str, Any]) -> str:
    return f"\n       → {fields['hint']}" if fields.get("hint") else ""


def _phase(fields: Mapping[str, Any]) -> _Words:
    more = f" {fields['detail']}" if fields.get("detail") else ""
    size = fields.get("context_bytes")
    context = f" (context {counted(size, 'byte')})" if size else ""
    return f"{fields['phase']}{more}{context}", "dim"


def _tool(fields: Mapping[str, Any]) -> _Words:
    mark = {"completed": "✓", "error": "✗"}.get(fields["status"], "·")
    return f"{mark} {fields['name']} {fields.get('target', '')}".rstrip(), ""


def _usage(fields: Mapping[str, Any]) -> _Words:
    return usage_text(fields), "dim"


def usage_text(fields: Mapping[str, Any]) -> str:
    """Write tokens and cost, or nothing where there were none."""
    tokens = fields.get("input_tokens", 0) + fields.get("output_tokens", 0)
    if not tokens:
        return ""
    cost = fields.get("cost")
    return counted(tokens, "token") + (f", ${cost:.4f}" if cost else "")


def _heartbeat(fields: Mapping[str, Any]) -> _Words:
    last = f", last tool {fields['last_tool']}" if fields.get("last_tool") else ""
    return f"alive, no output for {duration(fields['idle'])}{last}", "dim"


def _warning(fields: Mapping[str, Any]) -> _Words:
    return f"warning: {fields['message']} [{fields['code']}]{_hint(fields)}", "warn"


def _planned(fields: Mapping[str, Any]) -> _Words:
    wave = f" wave {fields['wave']}" if fields.get("wave") else ""
    batch = f" batch {fields['bundle']}" if fields.get("bundle") else ""
    head = f"{fields['disposition']:<8}{wave}{batch}"
    notes = "".join(f"\n       ! {text}" for text in fields.get("warnings", ()))
    mood = {"ready": "good", "blocked": "bad", "invalid": "bad", "done": "dim"}
    text = f"{head:<26} {fields.get('title', '')[:60]} · {fields['reason']}{notes}"
    return text, mood.get(fields["disposition"], "")


def _place(word: str) -> Callable[[Mapping[str, Any]], _Words]:
    def words(fields: Mapping[str, Any]) -> _Words:
        tasks = fields.get("tasks", ())
        batch = f" with {', '.join(tasks[1:])}" if len(tasks) > 1 else ""
        url = f" at {fields['url']}" if fields.get("url") else ""
        text = f"{word}{batch}: {fields['backend']} {_below_home(fields['where'])}{url}"
        return text + _hint(fields), "dim"

    return words


def _below_home(place: str) -> str:
    home = os.path.expanduser("~")  # noqa: PTH111 - the place may be no path at all
    return f"~{place[len(home) :]}" if place.startswith(f"{home}/") else place


def _gap(fields: Mapping[str, Any]) -> _Words:
    state = "found in the transcript" if fields["recovered"] else "missing from the log"
    return f"events {fields['from']} to {fields['to']} {state}", "warn"


def _outcome(fields: Mapping[str, Any]) -> _Words:
    outcome = Outcome(fields["outcome"])
    used = usage_text(fields)
    spent = [duration(fields["duration"]), used] if "duration" in fields else []
    more = f" ({', '.join(filter(None, spent))})" if spent else ""
    excerpt = "".join(f"\n       | {text}" for text in fields.get("excerpt", ()))
    text = f"{outcome.value}: {fields['message']}{more} [{fields['code']}]{excerpt}"
    return text + _hint(fields), "good" if outcome.is_success else "bad"


def _conflict(fields: Mapping[str, Any]) -> _Words:
    files = ", ".join(fields["files"])
    return f"conflict in {files}: {fields['message']}{_hint(fields)}", "bad"


def _merged(fields: Mapping[str, Any]) -> _Words:
    left = f", without {', '.join(fields['stripped'])}" if fields.get("stripped") else ""
    return f"merged into {fields['into']} as {fields['commit'][:10]}{left}", "good"


def _row(fields: Mapping[str, Any]) -> _Words:
    elapsed = f"{duration(fields['elapsed']) if 'elapsed' in fields else '':>9}"
    ended = fields.get("outcome")
    text = f"{fields['state']:<8} {ended or fields.get('phase') or 'starting':<16} {elapsed}  "
    used = usage_text(fields)
    batch = f"with {', '.join(fields['tasks'][1:])}" if len(fields.get("tasks", ())) > 1 else ""
    more = fields.get("last", "") if fields["state"] == "running" else _end_of_row(fields)
    text += "  ".join(part for part in (used, batch, more) if part)
    moods = {"running": "", "merged": "dim"}
    good = ended is not None and Outcome(ended).is_success
    return text.rstrip(), moods.get(fields["state"], "good" if good else "bad")


def _end_of_row(fields: Mapping[str, Any]) -> str:
    if fields["state"] == "merged" or "outcome" not in fields:
        return ""
    if Outcome(fields["outcome"]).is_success:
        return "not merged yet: `sdlc-runner merge`"
    if fields["outcome"] == Outcome.CONFLICT.value:
        return f"not merged: `sdlc-runner retry {fields['tasks'][0]}`"
    code = fields.get("code")
    return f"[{code}]" if code and code != fields["outcome"] else ""


def _check(fields: Mapping[str, Any]) -> _Words:
    good = ("note", "warn") if fields.get("hint") else ("ok  ", "good")
    mark, mood = good if fields["ok"] else ("BAD ", "bad")
    return f"{mark} {fields['name']:<12} {fields['message']}{_hint(fields)}", mood


def _installed(fields: Mapping[str, Any]) -> _Words:
    word = "would install" if fields.get("dry_run") else "installed"
    return f"{word} {fields['what']} {fields['name']}", "good"


def _removed(fields: Mapping[str, Any]) -> _Words:
    word = "would remove" if fields.get("dry_run") else "removed"
    return f"{word} {fields['what']} {_below_home(fields['name'])}", "dim"


def _error(fields: Mapping[str, Any]) -> _Words:
    return f"error: {fields['message']} [{fields['code']}]{_hint(fields)}", "bad"


def _summary(fields: Mapping[str, Any]) -> _Words:
    following = f"\n→ {fields['next']}" if fields.get("next") else ""
    return f"{fields['verdict']}{following}", "good" if fields["ok"] else "bad"


_WORDS: Mapping[EventType, Callable[[Mapping[str, Any]], _Words]] = {
    EventType.PHASE: _phase,
    EventType.LOG: lambda fields: (f"| {fields['text']}", ""),
    EventType.MESSAGE: lambda fields: (fields["text"], ""),
    EventType.TOOL: _tool,
    EventType.USAGE: _usage,
    EventType.HEARTBEAT: _heartbeat,
    EventType.WARNING: _warning,
    EventType.CHECKPOINT: lambda fields: (f"unfinished work saved in {fields['ref']}", "dim"),
    EventType.RESULT: lambda fields: (f"reported {fields['status']}", "dim"),
    EventType.PLANNED: _planned,
    EventType.SPAWNED: _place("started"),
    EventType.ATTACHED: _place("attached to"),
    EventType.SENT: lambda _fields: ("sent; the agent reads it before its next step", "good"),
    EventType.QUEUED: lambda fields: (f"waiting: {fields['reason']}", "dim"),
    EventType.GAP: _gap,
    EventType.OUTCOME: _outcome,
    EventType.CONFLICT: _conflict,
    EventType.MERGED: _merged,
    EventType.TICKED: lambda fields: (f"ticked (tasks.md, line {fields['line']})", "good"),
    EventType.PUBLISHED: lambda fields: (
        f"published {fields['branch']} at {fields['commit'][:10]}",
        "good",
    ),
    EventType.CONTINUE: lambda fields: (f"to continue: --cursor {fields['cursor']}", "dim"),
    EventType.ROW: _row,
    EventType.REPORT: lambda fields: (
        f"{_below_home(fields['markdown'])}\n{_below_home(fields['timeline'])}",
        "",
    ),
    EventType.CHECK: _check,
    EventType.SETTING: lambda fields: (
        f"{fields['key']:<24} {fields['value']!r:<28} {fields['source']}",
        "",
    ),
    EventType.INSTALLED: _installed,
    EventType.REMOVED: _removed,
    EventType.ERROR: _error,
    EventType.SUMMARY: _summary,
}
