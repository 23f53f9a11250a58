"""Argo CD on the test cluster: the committed Applications, from a git repository of this machine.

They have names of their own: tracking by label takes all objects of the cluster whose label is the
Application's name, and so those that other tests have installed by Helm. Argo CD's settings are
everybody's, so one test process has Applications at a time.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from sdlc_runner import process
from support.chart.rendering import NAME, RELEASES, ROOT, STAGES
from support.cluster.external_store import KIND, Store
from support.cluster.pod_security import TEST_LABEL
from support.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.cluster.kubectl import Kubectl, Manifest

Seen = Callable[["Manifest"], object]

CASCADE = "resources-finalizer.argocd.argoproj.io"
_NAMESPACES = "argo-cd-test"
_TRACKING = "application.resourceTrackingMethod"
_REFRESH = "argocd.argoproj.io/refresh"


@dataclass(frozen=True)
class Source:
    """The git repository that Argo CD reads: the charts and releases of this one."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Source:
        for part in ("charts", "releases"):
            shutil.copytree(ROOT / part, folder / part, symlinks=True)
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        made.commit()
        made.git("tag", committed("prod")["spec"]["source"]["targetRevision"])
        return made

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
        done = process.run(["git", *identity, *arguments], cwd=self.folder)
        assert done.ok, done.error_text
        return done.text

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change")
        return self.git("rev-parse", "HEAD")

    def change(self, stage: str, values: Mapping[str, Any]) -> str:
        """Lay values over those of a release; return the commit."""
        file = self.folder / "releases" / RELEASES[stage].name / "values.yaml"
        old = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump(_laid_over(old, {NAME: values})), encoding="utf-8")
        return self.commit()


@dataclass(frozen=True)
class Application:
    """One release as Argo CD keeps it; ``agents`` is the namespace that it goes to."""

    stage: str
    name: str
    source: Source
    argo: Kubectl
    agents: Kubectl

    @property
    def release(self) -> str:
        return RELEASES[self.stage].name

    def exists(self) -> bool:
        return self.argo.try_run("get", "application", self.name).ok

    def create(self) -> None:
        """Give it to Argo CD as committed, but for the repository, its name and the namespace."""
        manifest = committed(self.stage)
        manifest["metadata"].update(name=self.name, labels={TEST_LABEL: "true"})
        place = {"repoURL": f"file://{self.source.folder}", "helm": {"releaseName": self.release}}
        manifest["spec"]["source"].update(place)
        manifest["spec"]["destination"]["namespace"] = self.agents.namespace
        self.argo.create(manifest)

    def get(self) -> Manifest:
        return self.argo.get("application", self.name)

    def patch(self, **changes: object) -> None:
        text = json.dumps(changes)
        self.argo.run("patch", "application", self.name, "--type=merge", f"--patch={text}")

    def wait_until(self, seen: Seen, what: str) -> Manifest:
        """Wait for what its status shall show."""

        def found() -> Manifest | None:
            now = self.get()
            return now if seen(now) else None

        answer = wait_for(found, 60, f"{self.name}: {what}", every=0.2)
        assert answer
        return answer

    def look(self) -> Manifest:
        """Have Argo CD look at git and the cluster now; return the Application after that."""
        self.argo.run("annotate", "--overwrite", f"application/{self.name}", f"{_REFRESH}=hard")
        asked = f"jsonpath={{.metadata.annotations.{_REFRESH.replace('.', chr(92) + '.')}}}"
        wait_for(
            lambda: not self.argo.run("get", "application", self.name, f"--output={asked}"),
            what=f"a look at {self.name}",
        )
        return self.get()

    def wait_synced(self, revision: str) -> None:
        """Wait until the cluster is as a commit has it."""
        self.look()

        def synced(now: Manifest) -> bool:
            sync = now["status"]["sync"]
            return "operation" not in now and (sync["status"], sync["revision"]) == (
                "Synced",
                revision,
            )

        self.wait_until(synced, f"Synced to {revision}")

    def wait_healthy(self) -> None:
        self.wait_until(lambda now: now["status"]["health"]["status"] == "Healthy", "Healthy")

    def come_up(self) -> None:
        """Be there with all that belongs to it: by itself, or by hand where it waits for that."""
        if not self.exists():
            self.create()
        found = self.look()
        is_synced = found["status"]["sync"]["status"] == "Synced"
        if is_synced and found["status"]["health"]["status"] == "Healthy":
            return
        if not is_synced and "automated" not in found["spec"]["syncPolicy"]:
            self.sync()
        self.wait_until(lambda now: now["status"]["sync"]["status"] == "Synced", "Synced")
        _fetch_secrets(self.agents)
        self.wait_healthy()

    def begin_sync(self) -> Seen:
        """Sync by hand, as `argocd app sync` does: with the Application's own options.

        Return what tells the end of just this sync.
        """
        mark = [{"name": "test", "value": uuid.uuid4().hex}]
        options = self.get()["spec"]["syncPolicy"]["syncOptions"]
        self.patch(operation={"info": mark, "sync": {"syncOptions": options}})

        def ended(now: Manifest) -> bool:
            state = now["status"].get("operationState", {})
            return state.get("operation", {}).get("info") == mark and "finishedAt" in state

        return ended

    def end_sync(self, ended: Seen) -> None:
        state = self.wait_until(ended, "the end of a sync")["status"]["operationState"]
        assert state["phase"] == "Succeeded", state

    def sync(self) -> None:
        self.end_sync(self.begin_sync())

    def objects(self) -> dict[str, Manifest]:
        """Return what it manages, as the cluster has it, by kind and name."""
        managed = [
            f"{each['kind']}.{each.get('group', '')}".rstrip(".") + f"/{each['name']}"
            for each in self.get()["status"]["resources"]
        ]
        return dict(zip(managed, self.agents.items(*managed), strict=True))

    def delete_all(self) -> None:
        """Remove it with all that it manages."""
        self.patch(metadata={"finalizers": [CASCADE]})
        self.argo.run("delete", "application", self.name)


def committed(stage: str) -> Manifest:
    found: Manifest = yaml.safe_load((RELEASES[stage] / "argocd.yaml").read_text(encoding="utf-8"))
    return found


def track(argo: Kubectl, method: str | None) -> None:
    """Choose how Argo CD tells its objects from others; None: as it does by itself.

    It heeds a change of its settings only if they are whole, and its API server, which the test
    cluster does not run, would have put a key into them.
    """
    key = json.dumps({"stringData": {"server.secretkey": "unused"}})
    argo.run("patch", "secret", "argocd-secret", "--type=merge", f"--patch={key}")
    patch = json.dumps({"data": {_TRACKING: method}})
    argo.run("patch", "configmap", "argocd-cm", "--type=merge", f"--patch={patch}")


@contextlib.contextmanager
def applications(argo: Kubectl, source: Source) -> Iterator[dict[str, Application]]:
    """Have the three Applications for a ``with`` block, each with a namespace not yet made."""
    _clean(argo)
    suffix = uuid.uuid4().hex[:6]
    yield {
        stage: Application(
            stage,
            f"{RELEASES[stage].name}-{suffix}",
            source,
            argo,
            argo.inside(f"{_NAMESPACES}-{suffix}-{stage}"),
        )
        for stage in STAGES
    }
    _clean(argo)


def _clean(argo: Kubectl) -> None:
    """Remove what this or a killed test process left."""
    track(argo, None)
    for name in argo.run("get", "applications", f"-l{TEST_LABEL}", "--output=name").splitlines():
        argo.run("patch", name, "--type=merge", '--patch={"metadata":{"finalizers":null}}')
        argo.run("delete", name)
    names = argo.run("get", "namespaces", "--output=name").splitlines()
    stale = [name for name in names if name.startswith(f"namespace/{_NAMESPACES}-")]
    if stale:
        argo.run("delete", "--wait=false", *stale)


def _fetch_secrets(agents: Kubectl) -> None:
    """Do as External Secrets Operator does, from a store that holds all that is asked for."""
    store = Store()
    for each in agents.items(KIND):
        for entry in each["spec"]["data"]:
            reference = entry["remoteRef"]
            store.put(reference["key"], "a value", reference.get("property", ""))
    store.sync(agents)


def _laid_over(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Merge as Helm merges values: objects by key, all else as a whole."""
    both = {
        key: _laid_over(old[key], value)
        if isinstance(value, dict) and isinstance(old.get(key), dict)
        else value
        for key, value in new.items()
    }
    return {**old, **both}
