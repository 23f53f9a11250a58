"""A model that follows our texts: what it calls stands in them, and what it decides, in results.

The main session reads the rendered implement command, the subagent its own prompt. A text that
does not say how to do a step ends the session with that sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from support.model.server import Call, Rule, Turn, calls, edit, says, shell, write
from support.opencode import transcript_parser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.model.request import Exchange, Request
    from support.opencode.transcript_parser import Planned

    Play = Callable[[Request], Turn]

_BACK = {"FAILED", "REFUSED"}
_NEXT = {"edit": "publish", "merge": "publish", "publish": "plan", "wave": "merge"}


class UnclearError(Exception):
    """The text does not say it."""


def find(pattern: str, text: str) -> str:
    """Return what the text says there."""
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise UnclearError(f"the text does not say {pattern}")
    return found[1].strip()


@dataclass(frozen=True)
class Command:
    """The rendered implement command."""

    text: str

    @property
    def root(self) -> str:
        return find(r"^Repository's root: (.+)$", self.text)

    def call(self, verb: str, **more: object) -> Call:
        """Return the call of a verb as the text spells it."""
        spelling = find(r"RUN stands for `([^`]+)`", self.text)
        words = find(rf"`RUN ({verb}\b[^`]*)`", self.text).replace("SCOPE", self.scope)
        return shell(f"{spelling} {words}".strip(), workdir=self.root, **more)

    @property
    def scope(self) -> str:
        """What the user typed behind the command."""
        found = re.search(r"## User Input\s+```text\n(.*?)\n?```", self.text, re.DOTALL)
        return found[1].strip() if found else ""

    def hand_over(self, task: str) -> Call:
        """Return the call that gives a task to the subagent."""
        prompt = find(r"prompt `([^`]+)`", self.text).replace("PATH", self.root)
        description = find(r"description `([^`]+)`", self.text)
        named = {"prompt": prompt, "description": description}
        filled = {name: text.replace("T003", task) for name, text in named.items()}
        return Call("task", {**filled, "subagent_type": find(r"subagent `([^`]+)`", self.text)})

    def watch(self, tasks: Sequence[str]) -> Call:
        """Return the call beside the subagents, which shows what all of them do."""
        call = self.call("watch", timeout=int(find(r"`timeout` (\d+): `RUN watch", self.text)))
        command = str(call.arguments["command"]).replace("T003 T004", " ".join(tasks))
        return Call(call.name, {**call.arguments, "command": command})

    @property
    def keeps_what_came_back(self) -> bool:
        """Whether a task that came back is not handed over again."""
        return "without those that came back" in self.text


@dataclass(frozen=True)
class Past:
    """What the session did since the command was typed."""

    exchanges: tuple[Exchange, ...]

    @property
    def last(self) -> list[Exchange]:
        """The calls of the newest message."""
        return [each for each in self.exchanges if each.turn == self.exchanges[-1].turn]

    @property
    def step(self) -> str:
        """What the newest message did."""
        verbs = [verb for each in self.last if (verb := transcript_parser.verb(each))]
        if "watch" in verbs:
            return "wave"
        return (["", *(each.name for each in self.last), *verbs])[-1]

    @property
    def has_published(self) -> bool:
        return any(transcript_parser.verb(each) == "publish" for each in self.exchanges)

    @property
    def plan(self) -> list[Planned]:
        """The newest plan."""
        shown = [each for each in self.exchanges if transcript_parser.verb(each) == "plan"]
        return transcript_parser.plan(shown[-1].result)

    @property
    def open(self) -> list[Planned]:
        """The tasks that the newest plan shows as open, in order."""
        return [item for item in self.plan if item.disposition != "done"]

    @property
    def wave(self) -> list[Planned]:
        """The first wave, each batch by the task that names it."""
        first = [item for item in self.plan if item.disposition == "ready" and item.wave == 1]
        return [item for item in first if item.batch in {"", item.task}]

    @property
    def handed(self) -> list[Exchange]:
        """The calls of the subagent."""
        return [each for each in self.exchanges if each.name == "task"]

    @property
    def back(self) -> dict[str, str]:
        """Each task that came back, and what was said of it."""
        answers = [
            answer for each in self.handed for answer in transcript_parser.answers(each.result)
        ]
        return {task: text for word, task, text in answers if word in _BACK}

    @property
    def written(self) -> list[Planned]:
        """The tasks that were done here in the newest message."""
        paths = [str(each.arguments["filePath"]) for each in self.last if each.name == "write"]
        return [item for item in self.open if any(path.endswith(item.file) for path in paths)]


class Implementer:
    """The main session. ``tasks`` is where tasks.md lies, which the stock steps find."""

    def __init__(self, tasks: str) -> None:
        self._tasks = tasks

    def __call__(self, request: Request) -> Turn:
        """Take the next step."""
        try:
            return self.step(Command(request.prompt), Past(request.exchanges))
        except UnclearError as unclear:
            return says(str(unclear))

    def step(self, text: Command, past: Past) -> Turn:
        """Do what comes after the newest message."""
        if not past.step:
            return calls(self._read(text), text.call("plan"))
        if past.step == "plan":
            return self._go_on(text, past)
        if past.step == "write":
            return calls(*(self.tick(text, item.task) for item in past.written))
        if past.step == "report":
            return says(past.exchanges[-1].result)
        said = "\n".join(past.back.values()) if past.step == "merge" else ""
        return calls(text.call(_NEXT[past.step]), text=said)

    def _go_on(self, text: Command, past: Past) -> Turn:
        if not past.has_published:
            shown = "".join(f"{item.task}: {item.disposition}\n" for item in past.plan)
            first = list(takewhile(lambda item: item.is_sync, past.open))
            return self._work(text, first) if first else calls(text.call("publish"), text=shown)
        back = past.back if text.keeps_what_came_back else {}
        chosen = [item.task for item in past.wave if item.task not in back]
        if chosen:
            return calls(*map(text.hand_over, chosen), text.watch(chosen))
        mine = list(takewhile(lambda item: item.is_sync or item.task in back, past.open))
        return self._work(text, mine) if mine else calls(text.call("report"))

    def _work(self, text: Command, items: Sequence[Planned]) -> Turn:
        """Do tasks here, and read tasks.md, whose boxes are ticked next."""
        written = (write(f"{text.root}/{item.file}", f"{item.task} here\n") for item in items)
        return calls(self._read(text), *written, text=f"I do {[item.task for item in items]}.")

    def tick(self, text: Command, task: str, old: str = "[ ]", new: str = "[X]") -> Call:
        """Return the call that ticks a task's box, or opens it."""
        return edit(f"{text.root}/{self._tasks}", f"- {old} {task} ", f"- {new} {task} ")

    def _read(self, text: Command) -> Call:
        return Call("read", {"filePath": f"{text.root}/{self._tasks}"})


def spawn(request: Request) -> Call:
    """Return the one call that the subagent's prompt asks for."""
    task = find(r"Task (\S+)\.", request.prompt)
    root = find(r"Repository's root: (\S+)\.", request.prompt)
    command = find(r"^\s*`(\S+ \S+ spawn TASK --follow)`$", request.system)
    timeout = int(find(r"`timeout` (\d+)", request.system))
    return shell(command.replace("TASK", task), workdir=root, timeout=timeout)


def hand_over(request: Request) -> Turn:
    """Play the subagent."""
    if not request.exchanges:
        return calls(spawn(request))
    task, output = find(r"Task (\S+)\.", request.prompt), request.exchanges[-1].result
    told_of = transcript_parser.verdicts(task, output).items()
    words = [f"{word(request.system, verdict)} {each}" for each, verdict in told_of]
    return says("\n".join([*words, *transcript_parser.because(output)][:10]))


def word(table: str, verdict: str) -> str:
    """Return the word that the subagent's table has for a verdict."""
    rows = re.findall(r"^\s*\| (.+?) \| ([A-Z]+) \|$", table, re.MULTILINE)
    named = {each: name for left, name in rows for each in re.findall(r"`([^`]+)`", left)}
    kinds = {"": r"anything else[^|]*", "error": "an error"}
    kind = kinds.get(verdict, "any other outcome")
    return str(named.get(verdict) or find(rf"^\s*\| {kind} \| ([A-Z]+) \|$", table))


def rules(main: Play, subagent: Play = hand_over) -> list[Rule]:
    """Return the rules of both sessions."""
    return [
        Rule(lambda request: "You hand one task" in request.system, (subagent,)),
        Rule(r"RUN stands for ", (main,)),
    ]
