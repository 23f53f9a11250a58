"""A release of the chart in a namespace of its own, installed by Helm as an administrator does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.chart.rendering import NAME, RELEASES, helm
from support.cluster.namespaces import secret
from support.cluster.ports import HTTP
from support.cluster.scripted_model import KEY_VARIABLE
from support.model.server import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from sdlc_runner.process import Completed
    from support.cluster.kubectl import Manifest
    from support.cluster.namespaces import Namespace
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel

DEVELOPER = "developer"
_SERVICES = {"namespaceSelector": {"matchLabels": {"sdlc-test": "true"}}, "ports": [HTTP]}
_FETCHED = {"server-password": "from-the-store"}


@dataclass(frozen=True)
class Release:
    """One of ``releases/``; ``values`` is a file with what only the test's cluster needs."""

    stage: str
    namespace: Namespace
    values: Path
    major: int = 4

    @property
    def name(self) -> str:
        return RELEASES[self.stage].name

    def try_helm(self, *arguments: str) -> Completed:
        where = [
            f"--kubeconfig={self.namespace.kubectl.config}",
            f"--namespace={self.namespace.name}",
        ]
        return helm(*arguments, *where, major=self.major)

    def helm(self, *arguments: str) -> str:
        done = self.try_helm(*arguments)
        assert done.ok, done.text + done.error_text
        return done.text

    def upgrade(self, *flags: str) -> str:
        """Install it or bring it up to date."""
        chart = str(RELEASES[self.stage])
        return self.helm(
            *("upgrade", "--install", self.name, chart, f"--values={self.values}", *flags)
        )

    def template(self) -> Manifest:
        """Return the pod template as the cluster has it."""
        return self.namespace.kubectl.get("podtemplate", self.name)


def values(stage: str, repository: Repository, model: ScriptedModel) -> dict[str, Any]:
    """Return what differs on the test's cluster: image, sizes, where git and the model are."""
    config = model.opencode_config()
    fetched = {} if stage == "dev" else {"model": {KEY_VARIABLE: {"key": "agent-runner/scripted"}}}
    chart: dict[str, Any] = {
        "pod": {"image": {"repository": "docker.io/local/sdlc-agent", "tag": "dev"}},
        "agent": {"resources": {"requests": {"cpu": "50m", "memory": "256Mi"}}},
        "runner": {"resources": {"requests": {"cpu": "20m", "memory": "64Mi"}}},
        "opencode": {
            "model": config["model"],
            "providers": config["provider"],
            "enabledProviders": [],
        },
        "networkPolicy": {"git": [_SERVICES], "model": [_SERVICES]},
        "spawner": {"serviceAccounts": [{"name": DEVELOPER}]},
        "test": {"connect": [_place(repository.pod_url_http), _place(model.url)]},
        "externalSecret": fetched,
    }
    return {NAME: chart}


def _place(url: str) -> str:
    return url.split("/")[2]


def give_secrets(release: Release, repository: Repository) -> None:
    """Put the credentials where the release says they are, as its store or administrator would."""
    known = {**repository.secret(), **_FETCHED, KEY_VARIABLE: KEY}
    fetched = release.namespace.kubectl.items("externalsecrets")
    for each in fetched:
        keys = [entry["secretKey"] for entry in each["spec"]["data"]]
        made = secret(each["spec"]["target"]["name"], {key: known.get(key, "-") for key in keys})
        made["metadata"]["ownerReferences"] = [_owner(each)]
        release.namespace.kubectl.create(made)
    if not fetched:
        release.namespace.secret("git-credentials", {"token": repository.token})
        release.namespace.secret("model-keys", {KEY_VARIABLE: KEY})


def _owner(external: Manifest) -> Manifest:
    named = {key: external["metadata"][key] for key in ("name", "uid")}
    return {"apiVersion": external["apiVersion"], "kind": external["kind"], **named}
