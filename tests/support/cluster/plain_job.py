"""A Job made from the pod template by hand: a shell script in place of the worker."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from support.cluster.pod_template import Form, pod_template
from support.cluster.service_pods import IMAGE

if TYPE_CHECKING:
    from support.cluster.kubectl import Manifest
    from support.cluster.namespaces import Namespace

# The first process of a container does not heed SIGTERM unless it says so.
_UNTIL_TOLD = "trap exit TERM; sleep 600 & wait"
_AS_JOB = "git -c safe.directory='*' -c user.name=Job -c user.email=job@localhost"
GIT_BY_HTTP = f"""\
cat >/attempt/helper <<'END'
#!/bin/sh
echo username=x-access-token
echo "password=$(cat /secrets/git/token)"
END
chmod +x /attempt/helper
git_() {{ {_AS_JOB} -c credential.helper=/attempt/helper "$@"; }}
"""
GIT_BY_SSH = f"""\
GIT_SSH_COMMAND='ssh -i /secrets/git/ssh-privatekey -o IdentitiesOnly=yes'
GIT_SSH_COMMAND+=' -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/secrets/git/known_hosts'
export GIT_SSH_COMMAND
git_() {{ {_AS_JOB} "$@"; }}
"""


def job(script: str, form: Form = Form.ONE) -> Manifest:
    """Return a Job whose runner runs a script, and whose agent, if there is one, sleeps."""
    pod: dict[str, Any] = pod_template(form, IMAGE)["template"]["spec"]
    for container in pod.get("initContainers", []):
        container.update(command=["bash", "-c", _UNTIL_TOLD], args=[])
    for container in pod["containers"]:
        container.update(command=["bash", "-ceuo", "pipefail", script], args=[])
        container["env"] = [*container.get("env", []), {"name": "HOME", "value": "/attempt"}]
    metadata = {"annotations": {"sdlc-runner/spec": "{}"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"by-hand-{uuid.uuid4().hex[:6]}"},
        "spec": {"backoffLimit": 0, "template": {"metadata": metadata, "spec": pod}},
    }


def run(namespace: Namespace, script: str, form: Form = Form.ONE) -> tuple[int, str]:
    """Run a script as a Job; return the runner's exit code and its log."""
    made = job(script, form)
    namespace.kubectl.create(made)
    pod = namespace.finished_pod(made["metadata"]["name"])
    (status,) = pod["status"]["containerStatuses"]
    code: int = status["state"]["terminated"]["exitCode"]
    return code, namespace.log(pod["metadata"]["name"])
