"""One run of the agent: prompt in, events out, limits kept, nothing of it left behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from sdlc_runner import process
from sdlc_runner.events.types import Outcome, WarningEvent
from sdlc_runner.worker.agents import agent_result, opencode_config
from sdlc_runner.worker.agents.agent_result import AgentResult, AgentVerdict
from sdlc_runner.worker.agents.child_io import follow
from sdlc_runner.worker.agents.heartbeat import Heartbeat
from sdlc_runner.worker.agents.limits import Watch
from sdlc_runner.worker.agents.opencode_events import Translator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Event as Flag

    from sdlc_runner.attempt.spec import AttemptSpec
    from sdlc_runner.worker.agents.heartbeat import Emit
    from sdlc_runner.worker.masking import Masker


def run(
    spec: AttemptSpec,
    prompt: str,
    work: Path,
    environ: Mapping[str, str],
    emit: Emit,
    stop: Flag,
    masker: Masker,
) -> AgentResult:
    """Run the agent once, on one prompt, to its end or to a limit; ``stop`` ends it too."""
    argv = opencode_config.command(spec, work)
    try:
        child = _start(argv, work, opencode_config.environment(spec, work, environ))
    except BlockingIOError:
        raise  # too many processes: nothing is wrong with this one
    except OSError as error:
        return _not_started(argv[0], error, emit)
    translator, pulse = Translator(work), Heartbeat(spec.heartbeat.seconds, emit)
    watch = Watch(spec.limits, stop, translator, pulse)

    def hear(stream: str, line: str) -> None:
        pulse.heard()
        for body in translator.feed(line, stream):
            emit(body)

    cause = follow(
        child,
        stdin=prompt.encode("utf-8", "replace"),
        masker=masker,
        hear=hear,
        check=watch.check,
        grace=spec.limits.grace_seconds,
    )
    verdict = cause or _judge(child.returncode, translator, is_opencode=not spec.agent.command)
    return AgentResult.of(verdict, translator, child.returncode)


def _start(argv: tuple[str, ...], work: Path, env: Mapping[str, str]) -> process.Process[bytes]:
    return process.start(
        argv,
        cwd=work,
        env=env,
        stdin=process.PIPE,
        stdout=process.PIPE,
        stderr=process.PIPE,
        dies_with_us=True,
    )


def _not_started(program: str, error: OSError, emit: Emit) -> AgentResult:
    end = AgentResult(
        Outcome.FAILED,
        "agent_not_found",
        f"the agent {program} cannot be started: {error.strerror}",
    )
    emit(WarningEvent(code=end.code, message=end.message, hint=end.hint))
    return end


def _judge(exit_code: int, translator: Translator, *, is_opencode: bool) -> AgentVerdict:
    """Decide how an agent ended that ended by itself."""
    told = agent_result.decide(translator) if is_opencode else None
    if told is not None:
        return told
    if exit_code != 0:
        return AgentVerdict(
            Outcome.FAILED, "agent_failed", f"the agent ended with {_exit(exit_code)}"
        )
    return (agent_result.unfinished(translator) if is_opencode else None) or agent_result.DONE


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
