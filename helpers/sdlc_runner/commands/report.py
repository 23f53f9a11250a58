"""``report``: writes the run as Markdown with its timeline, outside of the checkout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdlc_runner import files
from sdlc_runner.digest import digest, slug
from sdlc_runner.errors import Code, ExitCode, UsageError
from sdlc_runner.events.types import ReportEvent, SummaryEvent
from sdlc_runner.report import collect, markdown, timeline

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.commands.call import Call
    from sdlc_runner.orchestrator.project import Project
    from sdlc_runner.output.output import Output
    from sdlc_runner.report.model import RunReport

_PAGE, _PICTURE = "report.md", "timeline.svg"
_HEAD_BYTES = 1000
_PRINTED_BYTES = 39_000


def run(call: Call) -> ExitCode:
    """Write page and picture; with ``--print`` the page goes to stdout too, instead of events."""
    project, output = call.open(), call.output
    found = collect.recall(project, output)
    folder = call.args.output.absolute() if call.args.output else _own_folder(project)
    page, picture = folder / _PAGE, folder / _PICTURE
    _refuse_foreign(page, picture)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write(picture, timeline.draw(found))
    files.write(page, markdown.write(found, _PICTURE))
    if call.args.show:
        text = markdown.write(found, str(picture)).encode("utf-8", "replace")
        output.stdout.write(_bounded(text, page))
        output.stdout.flush()
        return ExitCode.OK
    output.emit(
        ReportEvent(
            markdown=str(page),
            timeline=str(picture),
            attempts=len(found.attempts),
            **{name: value for name, value in found.usage._asdict().items() if value},
        )
    )
    _summarize(found, output)
    return ExitCode.OK


def _bounded(text: bytes, page: Path) -> bytes:
    """Cut a page that is longer than a model should read, at the end of a line."""
    if len(text) <= _PRINTED_BYTES:
        return text
    whole = text[:_PRINTED_BYTES].rpartition(b"\n")[0]
    return whole + f"\n\nThe rest is in {page}\n".encode("utf-8", "replace")


def _own_folder(project: Project) -> Path:
    name, root = project.feature.name, str(project.repo.root)
    return project.state / "reports" / f"{slug(name)}-{digest(root, name)[:8]}"


def _refuse_foreign(*paths: Path) -> None:
    """Raise ``foreign_file`` where a file exists that this command did not write."""
    for path in paths:
        if not _is_ours(path):
            raise UsageError(
                Code.FOREIGN_FILE,
                f"{path} exists and was not written by `sdlc-runner report`.",
                "Move it away, or choose another folder with `--output DIR`.",
            )


def _is_ours(path: Path) -> bool:
    """Whether there is nothing yet, or a page that was written here."""
    try:
        with files.open_regular(path, follow=False) as file:
            return timeline.MARK.encode() in file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return True
    except files.NotRegularError:
        return False


def _summarize(run: RunReport, output: Output) -> None:
    troubled = run.troubled
    output.emit(
        SummaryEvent(
            verb="report",
            verdict=markdown.verdict(run),
            ok=True,
            exit=int(ExitCode.OK),
            counts={
                "tasks": len(run.tasks),
                "done": sum(task.is_done for task in run.tasks),
                "attempts": len(run.attempts),
                "troubled": len(troubled),
            },
        )
    )
