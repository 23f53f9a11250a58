"""Mutated realistic inputs for everything that reads what others wrote: only our own errors escape.

``BENCH_FUZZ_SECONDS`` (60) is shared by the targets; ``BENCH_FUZZ_SEED`` makes a run again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import figures
from bench.fuzz_seeds import CONFIGS, CURSORS, EVENTS, OPENCODE, RESULTS, SECRETS, TASKS, TOKENS
from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import BackendStatus
from sdlc_runner.config import loader
from sdlc_runner.config.settings import SETTINGS
from sdlc_runner.errors import RunnerError
from sdlc_runner.events import cursor
from sdlc_runner.events.codec import AttemptKey, parse
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.events.types import Outcome
from sdlc_runner.plan import planner
from sdlc_runner.tasks import checkboxes, parser, scope
from sdlc_runner.verify import evidence, verdict
from sdlc_runner.worker.agents.opencode_events import Translator
from sdlc_runner.worker.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SECONDS = 60.0
_SLOWEST = 10  # whole seconds, for the alarm
_LARGEST = 200_000
_KEY = AttemptKey("001-demo", "T001", 1)


@dataclass(frozen=True)
class Target:
    """One reader: what it is fed, and from what the inputs are made."""

    name: str
    seeds: Sequence[bytes]
    feed: Callable[[bytes, random.Random], object]


def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Make an input: one of the seeds, changed a few times."""
    data = rng.choice(seeds)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8, 20))):
        data = rng.choice(_MUTATIONS)(rng, data, seeds)[:_LARGEST]
    return data


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    first = rng.randrange(len(data) + 1)
    return first, min(len(data), first + rng.choice((1, 2, 8, 40, 400)))


def _insert(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice((rng.choice(TOKENS), rng.randbytes(3))) + data[at:]


def _replace(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _span(rng, data)
    return data[:first] + rng.choice(TOKENS) + data[last:]


def _delete(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _span(rng, data)
    return data[:first] + data[last:]


def _repeat(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    first, last = _span(rng, data)
    return data[:last] + data[first:last] * rng.choice((1, 1, 2, 5, 20, 500)) + data[last:]


def _splice(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    return data[: _span(rng, data)[0]] + other[_span(rng, other)[0] :]


def _swap_lines(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


_MUTATIONS = (_insert, _replace, _delete, _repeat, _splice, _swap_lines, _flip)


def _tasks(data: bytes, rng: random.Random) -> None:
    text = data.decode("utf-8", rng.choice(("surrogateescape", "replace")))
    found = parser.parse(text)
    ids = [task.id for task in found.tasks]
    some = frozenset(rng.sample(ids, rng.randrange(len(ids) + 1)))
    made = planner.build(
        found,
        scope=rng.choice((None, some)),
        published=rng.choice((None, frozenset(), some)),
        unpublished=rng.choice((frozenset(), some)),
        failed=rng.choice((frozenset(), some)),
        parallel_stories=rng.random() < 0.5,
        bundle_small=rng.choice((0, 3)),
    )
    assert len(made.items) == len(found.tasks)
    line = rng.choice(text.splitlines() or [""])
    _own(lambda: scope.parse(line.split(" "), found))
    ticked = _own(lambda: checkboxes.tick(data, some))
    if isinstance(ticked, bytes):
        assert len(ticked) == len(data), "a tick changed more than a character"
    checkboxes.union(data, data, ticked if isinstance(ticked, bytes) else data)


def _events(data: bytes, rng: random.Random) -> None:
    reader = Reader(_KEY)
    whole = list(reader.feed(b""))
    at = 0
    while at < len(data):
        size = rng.choice((1, 7, 100, 5000, len(data)))
        whole += reader.feed(data[at : at + size])
        at += size
    whole += reader.finish()
    whole += reader.refill(data.splitlines())
    for item in whole:
        json.loads(item.line)
        item.event.to_line().encode()
    for line in data.splitlines():
        parse(line, _KEY)
    _own(lambda: cursor.parse(cursor.render({str(_KEY): reader.position})))
    cursor.from_events(data.splitlines())


def _translator(data: bytes, rng: random.Random) -> None:
    translator = Translator(Path("/work"))
    for line in data.decode("utf-8", "replace").splitlines():
        for body in translator.feed(line, rng.choice(("stdout", "stderr"))):
            json.dumps(body.to_fields(), ensure_ascii=False, allow_nan=False).encode(
                "utf-8", "surrogatepass"
            )
    assert translator.usage.tokens >= 0


def _masker(data: bytes, rng: random.Random) -> None:
    masker = Masker(SECRETS)
    stream, at, out = masker.stream(), 0, b""
    while at < len(data):
        size = rng.choice((1, 2, 5, 64, 5000))
        out += stream.feed(data[at : at + size])
        at += size
    out += stream.flush()
    assert not masker.contains(out), "a secret came through in pieces"
    masker.mask(data.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode())


def _config(data: bytes, rng: random.Random) -> None:
    file = Path(_folder(), "sdlc-runner", "config.jsonc")
    file.write_bytes(data)
    home = Path(_folder())
    found = _own(lambda: loader.load(None, {"XDG_CONFIG_HOME": _folder()}, home))
    if isinstance(found, loader.Configuration):
        assert len(list(found.items())) == len(SETTINGS)
    line = rng.choice(data.decode("utf-8", "replace").splitlines() or [""])
    _own(lambda: loader.from_flags([line.replace(": ", "=", 1)]))


def _cursor(data: bytes, _: random.Random) -> None:
    text = data.decode("utf-8", "replace")
    positions = _own(lambda: cursor.parse(text))
    if isinstance(positions, dict):
        assert cursor.parse(cursor.render(positions)) == {
            name: place for name, place in positions.items() if place != cursor.Position()
        }
        for place in positions.values():
            Reader(_KEY, place).refill(EVENTS[0].splitlines())


def _result(data: bytes, rng: random.Random) -> None:
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    claim = record if isinstance(record, dict) else {}
    refs = naming.AttemptRefs.of(_KEY)
    start = evidence.Start(_KEY, ("T001", "T002"), "0" * 40, "b", "local", "here", "0")
    proof = evidence.Evidence(refs, rng.choice((None, start)), result=rng.choice((claim, {})))
    ending = BackendStatus(known=rng.random() < 0.5, claim=claim)
    for task in ("T001", "T002"):
        judged = verdict.decide(task, proof, ending)
        assert judged.outcome is not Outcome.SUCCEEDED, "a claim was believed"


_TARGETS = (
    Target("tasks.md, plan, scope, ticks", TASKS, _tasks),
    Target("event reader", EVENTS, _events),
    Target("OpenCode's output", OPENCODE, _translator),
    Target("masker", [*OPENCODE, *(text.encode() for text in SECRETS)], _masker),
    Target("configuration", CONFIGS, _config),
    Target("cursors", CURSORS, _cursor),
    Target("results", RESULTS, _result),
)
_made: list[tempfile.TemporaryDirectory[str]] = []


def _folder() -> str:
    """Return a folder for the one configuration file, made when first asked for."""
    if not _made:
        _made.append(tempfile.TemporaryDirectory())
        Path(_made[0].name, "sdlc-runner").mkdir()
    return _made[0].name


def _own(call: Callable[[], object]) -> object:
    """Call; a RunnerError is a fine answer."""
    try:
        return call()
    except RunnerError as error:
        str(error)
        return None


def measure() -> bool:
    """Feed every target for its share of the time; whether nothing escaped."""
    seconds = float(os.environ.get("BENCH_FUZZ_SECONDS", _SECONDS)) / len(_TARGETS)
    seed = int(os.environ.get("BENCH_FUZZ_SEED") or time.time_ns() % 1_000_000)
    signal.signal(signal.SIGALRM, _too_slow)
    found = [_hunt(target, seconds, seed) for target in _TARGETS]
    for folder in _made:
        folder.cleanup()
    _made.clear()
    bad = sum(not good for good in found)
    return figures.verdict("fuzz", f"{bad} targets let something escape, seed {seed}", kept=not bad)


def _hunt(target: Target, seconds: float, seed: int) -> bool:
    rng = random.Random(seed)  # noqa: S311 - nothing secret
    began, count = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        data = mutate(rng, target.seeds)
        signal.alarm(_SLOWEST)
        try:
            target.feed(data, rng)
        except Exception as error:  # noqa: BLE001 - reporting it is what this is for
            signal.alarm(0)
            return _tell(target, data, "".join(traceback.format_exception(error)[-3:]))
        signal.alarm(0)
        count += 1
    rate = count / (time.monotonic() - began)
    figures.show("fuzz", {f"{target.name}, {count} inputs": [rate]}, "/s")
    return True


def _too_slow(_number: int, _frame: object) -> None:
    raise TimeoutError(f"not done after {_SLOWEST} s")


def _tell(target: Target, data: bytes, what: str) -> bool:
    """Show an input that got through; all of it is kept in a file."""
    with tempfile.NamedTemporaryFile(prefix="fuzz-", delete=False) as file:
        file.write(data)
    print(f"fuzz     {target.name}: {what}\n{data[:400]!r}\nkept in {file.name}", flush=True)
    return False
