"""The agent's own server in an attempt's pod, and the local port that leads to it.

It is reached through the API server alone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

from sdlc_runner.backends.base import AgentServer
from sdlc_runner.backends.kubernetes.errors import ApiError
from sdlc_runner.backends.kubernetes.job_spec import AGENT
from sdlc_runner.backends.kubernetes.job_state import JobPhase
from sdlc_runner.errors import Code, RunnerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
            "Use the two-container form: `agent.form: sidecar` in the chart's values"
            " (Kubernetes 1.29 and later).",
        )
    secret, key = secret_of(pod["spec"])
    password = _password(api.get(api.path("secrets", secret)), secret, key)
    shown = f"{{.data.{key}}}"
    command = (
        f"kubectl -n {api.namespace} get secret {secret} -o jsonpath='{shown}' | base64 --decode"
    )
    return AgentServer(password, WORKSPACE, command, lambda: api.forward(pod_name, PORT))


def not_running(key: AttemptKey, phase: JobPhase) -> RunnerError:
    """Return that there is no agent to talk to."""
    if phase in {JobPhase.ENDED, JobPhase.GONE}:
        return UsageError(
            Code.NOT_RUNNING,
            f"Attempt {key} has ended: there is no agent to talk to.",
            f"`sdlc-runner logs {key.task}` shows what it did; `sdlc-runner retry {key.task}`"
            " starts the next attempt.",
        )
    return UsageError(
        Code.NOT_RUNNING,
        f"Attempt {key} is not running yet: it is {phase.value}.",
        f"`sdlc-runner follow {key.task}` shows when it is.",
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
        "Use the pod template of the chart agentic-sdlc-agent-runner.",
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
            "Let the chart generate it (`secrets.server.generate`), or add one.",
        )
    return found


_HOST = "127.0.0.1"
_CHUNK = 64 * 1024
_LIBRARY_THREAD = "Kubernetes port forward proxy"


class PortForward:
    """Listens on the loopback interface; each connection gets one of its own from ``connect``."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.failure: ApiError | None = None
        """Why the newest connection got none."""
        threading.Thread(target=self._serve, name="forward", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{_HOST}:{self.port}"

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends accept in the other thread
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near:
            try:
                far = self._connect()
            except ApiError as failure:
                self.failure = failure
                return
            self.failure = None
            with contextlib.closing(far), contextlib.suppress(OSError):
                _exchange(near, far)


def _exchange(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    others = {near: far, far: near}
    while True:
        ready, _, _ = select.select(list(others), [], [])
        for side in ready:
            piece = side.recv(_CHUNK)
            if not piece:
                return
            others[side].sendall(piece)


@contextlib.contextmanager
def forwarded(connect: Callable[[], socket.socket]) -> Iterator[PortForward]:
    """Forward for as long as the ``with`` block lasts."""
    with _quiet_library():
        forward = PortForward(connect)
        try:
            yield forward
        finally:
            forward.close()


@contextlib.contextmanager
def _quiet_library() -> Iterator[None]:
    """Have the library's threads end silently when a connection breaks off under them."""
    former = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (args.thread and args.thread.name.startswith(_LIBRARY_THREAD)):
            former(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = former
