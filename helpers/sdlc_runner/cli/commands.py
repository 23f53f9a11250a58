"""What each verb runs: one small function each, which imports no more than its verb needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sdlc_runner.config import loader
from sdlc_runner.errors import ExitCode
from sdlc_runner.git.repository import open_repo
from sdlc_runner.orchestrator.project import open_kubernetes, open_project, state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sdlc_runner.cli.parser import Arguments
    from sdlc_runner.git.managed_clone import Wanted
    from sdlc_runner.orchestrator.follower import FollowLimits
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output

_SHORTCUTS = {  # flags that are settings as well
    "max_parallel": "max_parallel",
    "parallel_stories": "parallel_stories",
    "backend": "backend",
    "namespace": "kubernetes.namespace",
    "context": "kubernetes.context",
    "pod_template": "kubernetes.template_file",
    "release": "kubernetes.release",
}


class Call(NamedTuple):
    """One call of a verb: its arguments, where it prints, and what surrounds it."""

    args: Arguments
    output: Output
    environ: Mapping[str, str]
    home: Path

    def open(self) -> Project:
        """Open the project around the call's directory."""
        return open_project(self.directory, self.environ, self.home, self.flags)

    def open_elsewhere(self, wanted: Wanted) -> Project:
        """Open a branch that is not checked out here; its attempts push onto that very branch."""
        from sdlc_runner.git import managed_clone  # noqa: PLC0415

        folder = managed_clone.prepare(state_folder(self.environ, self.home), wanted)
        flags = {"branch.onto_feature": True, **self.flags}
        return open_project(folder, self.environ, self.home, flags)

    def open_pod(self, pod: str) -> tuple[Project, Sequence[str]]:
        """Open the branch that the attempt in a pod works for; also returns its task."""
        from sdlc_runner.git import managed_clone  # noqa: PLC0415

        settings = loader.load(None, self.environ, self.home, self.flags).settings
        spec = open_kubernetes(settings, self.environ).spec_in(pod)
        wanted = managed_clone.Wanted(spec.origin or spec.remote, spec.feature_branch)
        folder = managed_clone.prepare(state_folder(self.environ, self.home), wanted)
        environ = {**self.environ, "SPECIFY_FEATURE_DIRECTORY": spec.feature_dir}
        flags = {**self.flags, "backend": "kubernetes"}
        return open_project(folder, environ, self.home, flags), [spec.key.task]

    @property
    def directory(self) -> Path:
        """Where it was called."""
        return Path(self.args.directory).resolve()

    @property
    def target(self) -> Path:
        """The repository that ``install`` and ``uninstall`` are about."""
        return open_repo(self.directory / self.args.target.expanduser(), "origin")[0].root

    @property
    def flags(self) -> dict[str, Any]:
        """The settings that flags give."""
        given = ((key, getattr(self.args, name, None)) for name, key in _SHORTCUTS.items())
        texts = [f"{key}={value}" for key, value in given if value is not None]
        return loader.from_flags([*self.args.set, *texts])

    @property
    def limits(self) -> FollowLimits:
        """How long a follower stays."""
        from sdlc_runner.orchestrator.follower import FollowLimits  # noqa: PLC0415

        return FollowLimits(self.args.max_seconds, self.args.max_lines)


def _plan(call: Call) -> ExitCode:
    from sdlc_runner.commands import plan  # noqa: PLC0415 - each verb imports its own

    return plan.show(call.open(), call.args.scope, call.output, bundle=call.args.bundle)


def _run(call: Call) -> ExitCode:
    from sdlc_runner.orchestrator import planning, runner  # noqa: PLC0415

    request = planning.Request(tuple(call.args.scope), call.args.bundle)
    return runner.run(call.open(), request, call.output)


def _spawn(call: Call) -> ExitCode:
    from sdlc_runner.git import managed_clone  # noqa: PLC0415
    from sdlc_runner.orchestrator import runner  # noqa: PLC0415

    words, remote = call.args.tasks, managed_clone.named_by(call.args.tasks)
    project = call.open() if remote is None else call.open_elsewhere(remote[1])
    return runner.spawn_and_follow(
        project,
        words if remote is None else [remote[0]],
        call.output,
        follow=call.args.follow,
        limits=call.limits,
    )


def _follow(call: Call) -> ExitCode:
    from sdlc_runner.commands import control  # noqa: PLC0415
    from sdlc_runner.orchestrator import follower, runner  # noqa: PLC0415

    positions = follower.positions(call.args.cursor, call.output)
    project, tasks = (
        call.open_pod(call.args.pod) if call.args.pod else (call.open(), call.args.tasks)
    )
    known = control.newest(project, tasks)
    if not tasks:
        known = [item for item in known if item.alive]
        if not known:
            call.output.note("Nothing runs.")
    return runner.follow_all(project, known, call.output, call.limits, positions)


def _watch(call: Call) -> ExitCode:
    from sdlc_runner.commands import watch  # noqa: PLC0415
    from sdlc_runner.orchestrator import follower  # noqa: PLC0415

    positions = follower.positions(call.args.cursor, call.output)
    return watch.watch(call.open(), call.args.tasks, call.output, call.limits, positions)


def _status(call: Call) -> ExitCode:
    from sdlc_runner.commands import status  # noqa: PLC0415

    show = status.watch_table if call.args.watch and not call.output.json else status.show
    return show(call.open(), call.output)


def _logs(call: Call) -> ExitCode:
    from sdlc_runner.commands import control  # noqa: PLC0415

    return control.logs(call.open(), call.args.task, call.output)


def _verify(call: Call) -> ExitCode:
    from sdlc_runner.commands import control  # noqa: PLC0415

    return control.verify(call.open(), call.args.tasks, call.output)


def _publish(call: Call) -> ExitCode:
    from sdlc_runner.commands import publish  # noqa: PLC0415

    return publish.publish(call.open(), call.args.message, call.output)


def _merge(call: Call) -> ExitCode:
    from sdlc_runner.orchestrator import merger  # noqa: PLC0415

    return merger.merge(call.open(), call.args.tasks, call.output)


def _cancel(call: Call) -> ExitCode:
    from sdlc_runner.commands import control  # noqa: PLC0415

    return control.cancel(call.open(), call.args.tasks, call.output)


def _retry(call: Call) -> ExitCode:
    from sdlc_runner.commands import control  # noqa: PLC0415
    from sdlc_runner.orchestrator import runner  # noqa: PLC0415

    project = call.open()
    known = control.retry(
        project,
        call.args.task,
        call.output,
        from_checkpoint=call.args.from_checkpoint,
        force=call.args.force,
    )
    if not call.args.follow:
        return ExitCode.OK
    return runner.follow_all(project, [known], call.output, call.limits)


def _attach(call: Call) -> ExitCode:
    from sdlc_runner.commands import attach as commands_attach  # noqa: PLC0415

    seen = sys.stdin.isatty() and call.output.stdout.isatty() and not call.output.json
    attach = (
        commands_attach.open_opencode if seen and not call.args.url else commands_attach.keep_open
    )
    return attach(call.open(), call.args.task, call.output)


def _send(call: Call) -> ExitCode:
    from sdlc_runner.commands import attach as commands_attach  # noqa: PLC0415

    text = commands_attach.text_of(call.args.text, sys.stdin.buffer)
    return commands_attach.send(call.open(), call.args.task, text, call.output)


def _report(call: Call) -> ExitCode:
    from sdlc_runner.commands import report  # noqa: PLC0415

    folder, printed = call.args.output, call.args.show
    return report.report(call.open(), folder and folder.absolute(), call.output, printed=printed)


def _gc(call: Call) -> ExitCode:
    from sdlc_runner.commands import gc  # noqa: PLC0415

    return gc.collect(call.open(), call.output, dry_run=call.args.dry_run)


def _doctor(call: Call) -> ExitCode:
    from sdlc_runner.commands import doctor  # noqa: PLC0415

    around = doctor.Surroundings(call.directory, call.environ, call.home, call.flags)
    return doctor.examine(around, call.output)


def _config(call: Call) -> ExitCode:
    from sdlc_runner.commands import config as commands_config  # noqa: PLC0415

    return commands_config.show(call.open(), call.output, allow_verify=call.args.allow_verify)


def _install(call: Call) -> ExitCode:
    from sdlc_runner.commands import install  # noqa: PLC0415

    args = call.args
    return install.install(
        call.target, call.environ, call.output, dry_run=args.dry_run, titles=args.live_titles
    )


def _uninstall(call: Call) -> ExitCode:
    from sdlc_runner.commands import uninstall  # noqa: PLC0415

    return uninstall.uninstall(call.target, call.environ, call.output, dry_run=call.args.dry_run)


def _demo(call: Call) -> ExitCode:
    from sdlc_runner.commands import demo  # noqa: PLC0415

    return demo.demonstrate(call.environ, call.output, keep=call.args.keep)


RUNS: Mapping[str, Callable[[Call], ExitCode]] = {
    "plan": _plan,
    "run": _run,
    "spawn": _spawn,
    "follow": _follow,
    "watch": _watch,
    "status": _status,
    "logs": _logs,
    "verify": _verify,
    "publish": _publish,
    "merge": _merge,
    "cancel": _cancel,
    "retry": _retry,
    "attach": _attach,
    "send": _send,
    "report": _report,
    "gc": _gc,
    "doctor": _doctor,
    "config": _config,
    "install": _install,
    "uninstall": _uninstall,
    "demo": _demo,
}
