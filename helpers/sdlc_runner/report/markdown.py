"""The page of a run: what each task came to and cost, what needs somebody, and every attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from sdlc_runner.report import model, timeline
from sdlc_runner.report.model import block, code, prose, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sdlc_runner.report.model import AttemptReport, RunReport, TaskReport, UsageReport

MARK = f"<!-- {timeline.MARK} -->"
_COMMIT = 10  # characters that name a commit to people
_COMMITS = 5


def write(run: RunReport, picture: str) -> str:
    """Write the page; ``picture`` is the timeline's file."""
    parts = [
        MARK,
        f"# {text(run.feature)}",
        verdict(run, markup=True),
        f"![{text(timeline.alternative(run))}]({quote(picture)})" if run.attempts else "",
        "## Tasks",
        _table(_TASK_HEAD, map(_task_row, (task for task in run.tasks if not task.is_sync))),
        *_troubles(run.troubled),
        *_sync([task for task in run.tasks if task.is_sync]),
        *_attempts(run.attempts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict(run: RunReport, *, markup: bool = False) -> str:
    """Say in one paragraph what the run has come to."""
    done = sum(task.is_done for task in run.tasks)
    parts = [f"{done} of {len(run.tasks)} tasks done"]
    if run.troubled:
        parts.append(f"{len(run.troubled)} in need of you: {_ids(run.troubled)}")
    parts.append(run.outcomes)
    spent = _spent(run.usage)
    if spent:
        parts.append(spent)
    sentence = "; ".join(parts) + "."
    if not markup:
        return sentence
    return f"Branch {code(run.branch)}, as of {model.moment(run.now)} UTC. {text(sentence, 2000)}"


def _ids(tasks: Sequence[TaskReport], most: int = 8) -> str:
    return ", ".join(task.id for task in tasks[:most]) + (", …" if len(tasks) > most else "")


def _spent(usage: UsageReport) -> str:
    count = model.tokens(usage.tokens)
    parts = (f"{count} tokens" if count else "", model.cost(usage.cost))
    return ", ".join(filter(None, parts))


_TASK_HEAD = tuple("task,what,state,attempts,time,tokens,cost,commits,merged as".split(","))


def _task_row(task: TaskReport) -> tuple[str, ...]:
    commits = [code(commit[:_COMMIT]) for commit in task.commits[:_COMMITS]]
    return (
        text(task.id),
        text(task.title, 100),
        text(task.state),
        str(len(task.attempts) or ""),
        model.duration(task.seconds),
        model.tokens(task.usage.tokens),
        model.cost(task.usage.cost).replace("$", "\\$"),
        " ".join(commits) + (" …" if len(task.commits) > _COMMITS else ""),
        code(task.merged[:_COMMIT]),
    )


def _troubles(tasks: Sequence[TaskReport]) -> Iterator[str]:
    if tasks:
        yield "## Yours to settle"
    for task in tasks:
        if task.trouble is None:
            continue
        yield f"### {text(task.id)}: {text(task.state)}"
        yield f"Why: {prose(task.trouble.message, 600)}"
        if task.trouble.excerpt:
            yield block(task.trouble.excerpt)
        if task.trouble.next:
            yield f"Next: {prose(task.trouble.next, 600)}"


def _sync(tasks: Sequence[TaskReport]) -> Iterator[str]:
    if not tasks:
        return
    yield "## SYNC work"
    yield "\n".join(
        f"- [{'x' if task.is_done else ' '}] {text(task.id)} {text(task.title, 100)}"
        + (f" (line {task.line})" if task.line else "")
        for task in tasks
    )


_ATTEMPT_HEAD = tuple("attempt,tasks,outcome,began (UTC),time,in,out,cost,branch".split(","))


def _attempts(attempts: Sequence[AttemptReport]) -> Iterator[str]:
    if attempts:
        yield "## Attempts"
        yield _table(_ATTEMPT_HEAD, map(_attempt_row, attempts))


def _attempt_row(item: AttemptReport) -> tuple[str, ...]:
    known = item.code and item.code != item.outcome
    return (
        text(item.name),
        text(", ".join(item.tasks)),
        text(item.outcome) + (f" ({code(item.code, 60)})" if known else ""),
        model.moment(item.began, exact=True) if item.began is not None else "",
        model.duration(item.seconds),
        model.tokens(item.usage.input_tokens),
        model.tokens(item.usage.output_tokens),
        model.cost(item.usage.cost).replace("$", "\\$"),
        f"{code(item.branch)} ({text(item.backend)})" if item.branch else text(item.backend),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, without the columns that have nothing in any row."""
    filled = [list(row) for row in rows]
    if not filled:
        return ""
    wanted = [at for at in range(len(head)) if any(row[at] for row in filled)]
    lines = [head, ["---"] * len(head), *filled]
    return "\n".join(f"| {' | '.join(line[at] for at in wanted)} |" for line in lines)
