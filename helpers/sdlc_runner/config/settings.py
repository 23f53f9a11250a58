"""Every setting there is: its key, default, meaning and bounds. One table; the rest reads it."""

from __future__ import annotations

from typing import Any, NamedTuple

DEFAULT_BRANCH_PREFIX = "sdlc-runner"
VARIABLE_PREFIX = "SDLC_RUNNER_"


class Setting(NamedTuple):
    """One setting; its kind is the type of its default."""

    key: str
    default: Any
    meaning: str
    minimum: float | None = None
    choices: tuple[str, ...] = ()
    user_only: bool = False
    """Of the user's file or the environment: neither a repository nor a flag sets it."""
    not_shared: bool = False
    """A repository does not set it: it decides who is given credentials."""
    pattern: str = ""

    @property
    def kind(self) -> str:
        """Its type in words: text, count, number, flag or texts."""
        names = {str: "text", bool: "flag", int: "count", float: "number", tuple: "texts"}
        return names[type(self.default)]

    @property
    def described(self) -> str:
        """Its meaning, and by whom alone it is set."""
        if self.user_only:
            return f"{self.meaning} (user's file or environment only)"
        return f"{self.meaning} (not from a repository)" if self.not_shared else self.meaning

    @property
    def name(self) -> str:
        """Its attribute of ``Settings``."""
        return self.key.replace(".", "_")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return VARIABLE_PREFIX + self.key.upper().replace(".", "_")


class Settings(NamedTuple):
    """Every setting, in force; a name is its key with ``_`` for the dot."""

    remote: str
    default_branch: str
    backend: str
    max_parallel: int
    parallel_stories: bool
    branch_prefix: str
    branch_onto_feature: bool
    clone_depth: int
    clone_url: str
    bundle_size: int
    agent_command: tuple[str, ...]
    agent_model: str
    limits_run_seconds: float
    limits_idle_seconds: float
    limits_tokens: int
    limits_cost: float
    limits_grace_seconds: float
    checkpoint_seconds: float
    heartbeat_seconds: float
    verify_commands: tuple[str, ...]
    verify_seconds: float
    limits_queue_seconds: float
    limits_start_seconds: float
    limits_create_seconds: float
    limits_connect_seconds: float
    kubernetes_context: str
    kubernetes_namespace: str
    kubernetes_pod_template: str
    kubernetes_template_file: str
    kubernetes_release: str
    kubernetes_git_secret: str
    kubernetes_ttl_seconds: int
    kubernetes_requests_per_second: float


# Names that git takes for a name, never for an option; "$" alone would let a newline pass.
_NAME = r"^(?!.*\.lock(?:/|$))[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$(?!\n)"

SETTINGS: tuple[Setting, ...] = (
    Setting("remote", "origin", "git remote that holds the feature branch", pattern=_NAME),
    Setting("default_branch", "", "branch that is never pushed to; empty: ask the remote"),
    Setting("backend", "local", "where attempts run", choices=("local", "kubernetes")),
    Setting("max_parallel", 4, "attempts that run at once", minimum=1),
    Setting(
        key="parallel_stories",
        default=False,
        meaning="user stories may run side by side instead of one after the other",
    ),
    Setting(
        "branch.prefix",
        DEFAULT_BRANCH_PREFIX,
        "branches are <prefix>/<feature>/<task>-<attempt>",
        pattern=_NAME,
    ),
    Setting(
        key="branch.onto_feature",
        default=False,
        meaning="attempts push onto the feature branch itself, if it has not moved meanwhile",
    ),
    Setting("clone.depth", 1, "commits an attempt clones; 0: all", minimum=0),
    Setting(
        "clone.url",
        "",
        "URL that attempts clone from and push to; empty: the remote's own",
        not_shared=True,
    ),
    Setting("bundle.size", 5, "small tasks that share an attempt under --bundle", minimum=1),
    Setting(
        "agent.command",
        (),
        "program run instead of OpenCode: prompt on stdin, work in the current folder, exit code",
        user_only=True,
    ),
    Setting("agent.model", "", "provider/model for OpenCode; empty: yours"),
    Setting(
        "limits.run_seconds", 7200.0, "longest run of the agent in one attempt; 0: none", minimum=0
    ),
    Setting("limits.idle_seconds", 900.0, "longest silence of the agent; 0: none", minimum=0),
    Setting("limits.tokens", 0, "token budget; 0: none", minimum=0),
    Setting("limits.cost", 0.0, "US dollars; 0: no limit", minimum=0),
    Setting(
        "limits.grace_seconds", 10.0, "from SIGTERM to SIGKILL when the agent is ended", minimum=0
    ),
    Setting("checkpoint.seconds", 300.0, "between two checkpoints of unfinished work", minimum=1),
    Setting("heartbeat.seconds", 30.0, "silence after which a heartbeat is sent", minimum=1),
    Setting("verify.commands", (), "shell commands whose exit and output become evidence"),
    Setting("verify.seconds", 600.0, "longest run of all verify commands together", minimum=1),
    Setting(
        "limits.queue_seconds",
        86_400.0,
        "longest wait for quota, a queue or a node; 0: none",
        minimum=0,
    ),
    Setting("limits.start_seconds", 900.0, "longest time from pod to running; 0: none", minimum=0),
    Setting(
        "limits.create_seconds",
        30.0,
        "patience with what may pass: image pulls, volumes, the creation of a container",
        minimum=1,
    ),
    Setting(
        "limits.connect_seconds",
        30.0,
        "longest time that a pod's git host or model takes no connection; 0: it is not tried",
        minimum=0,
    ),
    Setting("kubernetes.context", "", "context of the kubeconfig; empty: its current one"),
    Setting("kubernetes.namespace", "", "where attempts run; empty: the context's"),
    Setting(
        "kubernetes.pod_template", "", "name of the PodTemplate there; empty: the chart's only one"
    ),
    Setting(
        "kubernetes.template_file", "", "file with a PodTemplate to take instead", not_shared=True
    ),
    Setting(
        "kubernetes.release",
        "",
        "folder of a release that `helm template` renders instead",
        not_shared=True,
    ),
    Setting(
        "kubernetes.git_secret",
        "",
        "Secret with git credentials; empty: the pod template's",
        not_shared=True,
    ),
    Setting(
        "kubernetes.ttl_seconds", 172_800, "how long an ended Job and its log are kept", minimum=60
    ),
    Setting(
        "kubernetes.requests_per_second", 100.0, "most requests to the API in a second", minimum=1
    ),
)
