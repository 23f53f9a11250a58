"""The rig of the whole way, with attempts in a cluster and the remote on a server there.

Whatever ``rig.Rig`` asks git about the remote is asked in the server's own bare repository.
"""

from __future__ import annotations

import shlex
import shutil
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from support import harness as harnesses
from support.cluster.pod_template import AGENT_IMAGE, Form, pod_template

if TYPE_CHECKING:
    from support.cluster.namespaces import Namespace
    from support.cluster.repositories import Repository
    from support.cluster.scripted_model import ScriptedModel

_PRELUDE = """\
import os, pathlib, re, sys, time, urllib.request
prompt = sys.stdin.read()
task = re.search(r'Implement task (\\S+) ', prompt)[1]
def note(text):
    urllib.request.urlopen(MODEL + '/notes', str(text).encode()).close()
def hold(gate='go'):
    urllib.request.urlopen(f'{MODEL}/gates/{gate}').close()
"""


@dataclass
class ClusterHarness(harnesses.Harness):
    """A checkout on a feature branch; ``folder`` and ``env`` as the rig has them."""

    repository: Repository = field(kw_only=True)
    namespace: Namespace = field(kw_only=True)
    model: ScriptedModel = field(kw_only=True)

    def git(self, *args: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run git as the user, or on the server if ``cwd`` is the remote."""
        if cwd != self.remote:
            return super().git(*args, cwd=cwd, check=check)
        try:
            return self.repository.git(*args)
        except AssertionError:
            if check:
                raise
            return ""

    def agent(self, script: str) -> None:
        """Set the agent of the one-container form: a Python script that runs inside the pod.

        ``task`` and ``prompt`` are there for it, ``note(text)`` leaves a line in
        ``model.notes()``, and ``hold()`` waits for ``model.open()``.
        """
        text = f"MODEL = {self.model.url!r}\n{_PRELUDE}{textwrap.dedent(script)}"
        self.env["SDLC_RUNNER_AGENT_COMMAND"] = shlex.join(["python3", "-c", text])

    def use_opencode(self) -> None:
        """Have attempts run OpenCode, with the model of this rig."""
        self.env.pop("SDLC_RUNNER_AGENT_COMMAND", None)

    def template(self, form: Form, image: str = AGENT_IMAGE) -> None:
        """Put a pod template into the namespace."""
        self.namespace.kubectl.apply(pod_template(form, image))

    def clone_by_ssh(self) -> None:
        """Have attempts clone and push by SSH."""
        self.env["SDLC_RUNNER_CLONE_URL"] = self.repository.pod_url_ssh


def create(
    folder: Path, repository: Repository, namespace: Namespace, model: ScriptedModel
) -> ClusterHarness:
    """Make a rig whose branches are on the cluster's git server."""
    plain = harnesses.create(folder)
    with Path(plain.env["HOME"], ".gitconfig").open("a") as file:
        file.write(repository.git_settings())
    plain.git("remote", "set-url", "origin", repository.host_url)
    plain.git("push", "--quiet", "--all", "origin")
    shutil.rmtree(plain.remote)
    settings = {
        "KUBECONFIG": str(Path(namespace.kubectl.config).absolute()),
        "SDLC_RUNNER_BACKEND": "kubernetes",
        "SDLC_RUNNER_KUBERNETES_NAMESPACE": namespace.name,
        "SDLC_RUNNER_CLONE_URL": repository.pod_url_http,
    }
    made = ClusterHarness(
        folder,
        {**plain.env, **settings},
        seconds=170,
        repository=repository,
        namespace=namespace,
        model=model,
    )
    made.agent("pathlib.Path(f'{task}.txt').write_text(f'done by {task}\\n')")
    return made
