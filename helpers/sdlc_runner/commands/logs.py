"""``logs``: prints the whole transcript of one attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner.errors import Code, ExitCode, RunnerError
from sdlc_runner.events.log_reader import Reader
from sdlc_runner.orchestrator import registry
from sdlc_runner.verify import evidence

if TYPE_CHECKING:
    from sdlc_runner.commands.call import Call


def run(call: Call) -> ExitCode:
    """Print every event of a task's newest attempt, from here or from the pushed transcript."""
    project, output = call.open(), call.output
    (known,) = registry.newest(project, [call.args.task])
    reader = Reader(known.key)
    if known.status is not None:
        for data in project.backend.log(known.status):
            output.pass_on(reader.feed(data))
        output.pass_on(reader.finish())
    if known.status is None or reader.gaps:
        refs = registry.list_refs(project)
        transcript = refs.refs.get(known.evidence.refs.transcript)
        if transcript is None and known.status is None:
            raise RunnerError(
                Code.NO_TRANSCRIPT,
                f"Attempt {known.key} did not run here, and the remote has no transcript of it.",
                "An attempt pushes its transcript when it ends.",
            )
        if transcript is not None:
            output.pass_on(reader.refill(evidence.read_events(project.repo, transcript)))
    return ExitCode.OK
