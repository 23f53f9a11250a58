"""The agent's own server in an attempt's pod: whether there is one, and how it is reached."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.base import AgentServer
from sdlc_runner.backends.kubernetes.job_spec import AGENT
from sdlc_runner.backends.kubernetes.job_state import JobPhase
from sdlc_runner.errors import Code, RunnerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdlc_runner.backends.kubernetes.api import JsonObject, KubeApi
    from sdlc_runner.events.codec import AttemptKey

PORT = 4096
VOLUME = "server-password"
KEY = "server-password"
WORKSPACE = "/workspace"


def find(api: KubeApi, pod_name: str) -> AgentServer:
    """Return how the server in a pod is reached; raises ``ApiError`` and ``RunnerError``."""
    pod = api.get(api.path("pods", pod_name))
    if not any(item.get("name") == AGENT for item in pod["spec"].get("initContainers") or []):
        raise UsageError(
            Code.UNSUPPORTED_BACKEND,
            "This attempt's pod has one container: its agent has no server to talk to.",
            "It takes the two-container form: `agent.form: sidecar` in the chart's values"
            " (Kubernetes 1.29 and later).",
        )
    secret, key = secret_of(pod["spec"])
    password = _password(api.get(api.path("secrets", secret)), secret, key)
    shown = f"{{.data.{key}}}"
    command = (
        f"kubectl -n {api.namespace} get secret {secret} -o jsonpath='{shown}' | base64 --decode"
    )
    return AgentServer(password, WORKSPACE, command, lambda: api.forward(pod_name, PORT))


def not_running(key: AttemptKey, stage: JobPhase) -> RunnerError:
    """Say that there is nobody to talk to."""
    if stage in {JobPhase.ENDED, JobPhase.GONE}:
        return UsageError(
            Code.NOT_RUNNING,
            f"Attempt {key} has ended: there is no agent to talk to.",
            f"`sdlc-runner logs {key.task}` tells what it did; `sdlc-runner retry {key.task}`"
            " makes the next attempt.",
        )
    return UsageError(
        Code.NOT_RUNNING,
        f"Attempt {key} does not run yet: it is {stage.value}.",
        f"`sdlc-runner follow {key.task}` tells when it does.",
    )


def secret_of(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Return the Secret and the key that hold the password; raises ``bad_pod_template``."""
    for volume in spec.get("volumes") or []:
        secret = volume.get("secret") if volume.get("name") == VOLUME else None
        if secret:
            paths = {item["path"]: item["key"] for item in secret.get("items") or []}
            return str(secret["secretName"]), paths.get(KEY, KEY)
    raise UsageError(
        Code.BAD_POD_TEMPLATE,
        f"The pod has no volume {VOLUME} from a Secret.",
        "Take the pod template that the chart agentic-sdlc-agent-runner makes.",
    )


def _password(secret: JsonObject, name: str, key: str) -> str:
    try:
        found = base64.b64decode((secret.get("data") or {})[key]).decode().strip()
    except (KeyError, ValueError, binascii.Error):
        found = ""
    if not found:
        raise RunnerError(
            Code.BAD_CREDENTIALS,
            f"The Secret {name} has no {key}.",
            "Let the chart make it (`secrets.server.generate`), or put one into it.",
        )
    return found
