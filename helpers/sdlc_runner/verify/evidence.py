"""What the git remote shows: the only evidence of success.

One ``ls-remote`` gives the names; one ``fetch`` gives the commits behind those of interest.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdlc_runner.attempt import naming
from sdlc_runner.errors import Code, UsageError
from sdlc_runner.events.codec import AttemptKey
from sdlc_runner.tasks import task_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sdlc_runner.git.repository import Repo

ROOTS = (naming.META_REFS, naming.META_BRANCHES)
_META = re.compile(
    r"(?P<root>refs/sdlc-runner|refs/heads/sdlc-runner-meta)/(?P<feature>[^/]+)/(?P<task>[^/]+)/"
    r"(?P<number>[1-9]\d{0,8})/(?P<leaf>start|transcript|checkpoint)\Z"
)
_RESULT_BYTES = 4 << 20
_TRANSCRIPT_BYTES = 512 << 20  # who can push can push anything; more is no transcript of ours
_COMMIT = re.compile(r"[0-9a-f]{40,64}\Z")
# What `start` refs of the runner hold; it is shown in commands to copy, and given to git.
_TASK = re.compile(rf"{task_line.PATTERN}\Z")
_BRANCH = re.compile(r"\w[\w+@=,%#~./-]*\Z")


@dataclass(frozen=True)
class RemoteRefs:
    """Names on the remote at one moment: ref → commit."""

    default_branch: str | None
    refs: Mapping[str, str]

    def branch(self, name: str) -> str | None:
        """Return the head of a branch."""
        return self.refs.get(f"refs/heads/{name}")

    @property
    def branches(self) -> frozenset[str]:
        """Return the names of the branches that were asked for."""
        prefix = "refs/heads/"
        return frozenset(ref[len(prefix) :] for ref in self.refs if ref.startswith(prefix))

    def attempts(self, feature: str) -> tuple[naming.AttemptRefs, ...]:
        """Return the refs of every attempt that left one, in order of task and number."""
        part = naming.ref_part(feature)
        found = {
            naming.AttemptRefs(match["root"], match["feature"], match["task"], int(match["number"]))
            for match in map(_META.match, self.refs)
            if match and match["feature"] == part
        }
        return tuple(sorted(found, key=lambda refs: (refs.task, refs.number)))


@dataclass(frozen=True)
class Start:
    """What the ``start`` ref of an attempt says: who began it, and from where."""

    key: AttemptKey
    tasks: tuple[str, ...]
    base: str
    branch: str
    backend: str
    where: str
    identity: str


@dataclass(frozen=True)
class WorkCommit:
    """One commit of an attempt's branch: its id and its trailers."""

    id: str
    trailers: Mapping[str, str]


@dataclass(frozen=True)
class Evidence:
    """All that the remote shows of one attempt."""

    refs: naming.AttemptRefs
    start: Start | None = None
    branch_head: str | None = None
    descends: bool = False
    commits: tuple[WorkCommit, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None


def list_refs(repo: Repo, feature: str, branches: Iterable[str] = ()) -> RemoteRefs:
    """Ask the remote once; ``branches`` are names or globs wanted besides the attempts' refs."""
    part = naming.ref_part(feature)
    patterns = ["HEAD", *(f"refs/heads/{name}" for name in branches)]
    patterns += [f"{root}/{part}/*" for root in ROOTS]
    text = repo.git.run("ls-remote", "--symref", repo.remote, *patterns)
    refs, default = {}, None
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value[len("ref: refs/heads/") :]
        elif name != "HEAD" and _COMMIT.match(value):
            refs[name] = value
    return RemoteRefs(default, refs)


def refuse_default_branch(branch: str, defaults: Collection[str | None]) -> None:
    """Raise ``on_default_branch`` unless ``branch`` is known not to be the default one."""
    if branch in defaults:
        known = f"{branch} is the remote's default branch"
        hint = "`git switch -c 001-my-feature && sdlc-runner publish`"
    elif defaults:
        return
    else:
        known = "the remote does not say which branch is its default"
        hint = "Name it, here or in your file: `--set default_branch=main`."
    raise UsageError(
        Code.ON_DEFAULT_BRANCH,
        f"Work is never pushed to or merged into the default branch, and {known}.",
        hint,
    )


def collect(
    repo: Repo, refs: RemoteRefs, wanted: Iterable[naming.AttemptRefs], likely: str = ""
) -> list[Evidence]:
    """Fetch what the wanted attempts left and read it; one fetch for starts, one for branches.

    The other tasks of a bundle have a ``start`` too, as locks: the evidence is the first one's.
    A branch that is ``likely`` theirs is fetched with the starts.
    """
    attempts = list(wanted)
    leaves = [ref for item in attempts for ref in (item.start, item.transcript) if ref in refs.refs]
    early = {f"refs/heads/{likely}"} & refs.refs.keys() if leaves else set()
    if leaves:
        repo.fetch(*leaves, *early)
    starts = [read_start(repo, refs.refs.get(item.start)) for item in attempts]
    heads = {f"refs/heads/{start.branch}" for start in starts if start}
    present = sorted(ref for ref in heads - early if ref in refs.refs)
    if present:
        repo.fetch(*present)
    return [
        _evidence(repo, refs, item, start)
        for item, start in zip(attempts, starts, strict=True)
        if start is None or item == naming.AttemptRefs.of(start.key, item.root)
    ]


def _evidence(
    repo: Repo, refs: RemoteRefs, item: naming.AttemptRefs, start: Start | None
) -> Evidence:
    result = _result(repo, refs.refs.get(item.transcript))
    head = _head(repo, refs, start, result) if start else None
    return Evidence(
        refs=item,
        start=start,
        branch_head=head,
        descends=bool(start and head and repo.is_ancestor(start.base, head)),
        commits=_commits(repo, start.base, head) if start and head else (),
        result=result,
        checkpoint=refs.refs.get(item.checkpoint),
    )


def _head(repo: Repo, refs: RemoteRefs, start: Start, result: Mapping[str, Any]) -> str | None:
    """Return what the attempt left its branch at.

    A branch that is not its own (``branch.onto_feature``) may have gone on since.
    """
    head, reported = refs.branch(start.branch), str(result.get("head", ""))
    if head is None or start.branch.endswith(naming.branch("", start.key)):
        return head
    on_it = _COMMIT.match(reported) and repo.is_ancestor(reported, head)
    return reported if on_it else head


def read_start(repo: Repo, commit: str | None) -> Start | None:
    """Read the commit behind a ``start`` ref; None if it is absent or not ours."""
    if commit is None:
        return None
    trailers = _trailers(repo.git.try_run("cat-file", "commit", commit).text)
    try:
        key = AttemptKey(trailers["Feature"], trailers["Task"], int(trailers["Attempt"]))
        start = Start(
            key,
            tuple(trailers["Tasks"].split()),
            trailers["Base"],
            trailers["Branch"],
            trailers["Backend"],
            trailers["Where"],
            trailers["Identity"],
        )
    except (KeyError, ValueError):
        return None
    return start if _is_credible(start) else None


def _is_credible(start: Start) -> bool:
    """Whether it says only what ours can say: anybody who may push could have written it."""
    return bool(
        start.key.task in start.tasks
        and all(map(_TASK.match, start.tasks))
        and start.key.feature.isprintable()
        and _COMMIT.match(start.base)
        and _BRANCH.match(start.branch)
    )


def _trailers(text: str) -> dict[str, str]:
    """Read ``Name: value`` lines of a commit's last paragraph."""
    paragraph = text.rstrip("\n").rpartition("\n\n")[2]
    pairs = (line.partition(": ") for line in paragraph.splitlines())
    return {name: value.strip() for name, colon, value in pairs if colon}


def _commits(repo: Repo, base: str, head: str) -> tuple[WorkCommit, ...]:
    done = repo.git.try_run("log", "--reverse", "-z", "-n500", "--format=%H%n%B", f"{base}..{head}")
    if not done.ok:
        return ()
    blocks = [block for block in done.text.split("\0") if block]
    return tuple(WorkCommit(block.partition("\n")[0], _trailers(block)) for block in blocks)


def _result(repo: Repo, transcript: str | None) -> dict[str, Any]:
    """Read the result in a transcript; empty if there is none, or it is not an object."""
    if transcript is None:
        return {}
    data = repo.read(transcript, "result.json", _RESULT_BYTES)
    try:
        record = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def read_events(repo: Repo, transcript: str) -> list[bytes]:
    """Return the lines of a transcript; they are as hostile as any log."""
    return (repo.read(transcript, "events.jsonl", _TRANSCRIPT_BYTES) or b"").splitlines()
