"""Where a pod has its volumes; all below one folder when tests play a pod on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = "SDLC_RUNNER_POD_ROOT"
PORT = "SDLC_RUNNER_AGENT_PORT"
WHERE = "SDLC_RUNNER_WHERE"
_PORT = 4096


class PodPaths(NamedTuple):
    """The mount points, below ``root``, and the agent server's port."""

    root: Path
    port: int
    where: str

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> PodPaths:
        """Read what the pod's environment says; in a pod the root is ``/``."""
        port = environ.get(PORT, "")
        root = Path(environ.get(ROOT) or "/")
        return cls(root, int(port) if port.isdigit() else _PORT, environ.get(WHERE, "kubernetes"))

    @property
    def workspace(self) -> Path:
        """The work tree: a mount point, so that nobody can put a link in its place."""
        return self.root / "workspace"

    @property
    def attempt(self) -> Path:
        """What the agent never sees: git directory, journal, home of the git side."""
        return self.root / "attempt"

    @property
    def home(self) -> Path:
        """The agent's home."""
        return self.root / "home" / "agent"

    @property
    def spec(self) -> Path:
        """The attempt's specification."""
        return self.root / "etc" / "sdlc-runner" / "spec.json"

    @property
    def termination(self) -> Path:
        """What Kubernetes keeps of the container's last words."""
        return self.root / "dev" / "termination-log"

    @property
    def git_secrets(self) -> Path:
        """Token or SSH key; mounted for the git side only."""
        return self.root / "secrets" / "git"

    @property
    def model_secrets(self) -> Path:
        """One file a variable of the agent's environment."""
        return self.root / "secrets" / "model"

    @property
    def server_secrets(self) -> Path:
        """The password of the agent's server."""
        return self.root / "secrets" / "server"

    def password(self) -> str:
        """Read the password; raises ``OSError`` if there is none."""
        return (self.server_secrets / "server-password").read_text(encoding="utf-8").strip()
