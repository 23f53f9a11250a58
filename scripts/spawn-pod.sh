#!/usr/bin/env bash
# Starts a task of a spec-kit feature in Kubernetes.
#
# usage: scripts/spawn-pod.sh TASK [BRANCH REPOSITORY] [OPTION...]
#
#   ENVIRONMENT       dev (the default), stg or prod
#   NAMESPACE         where attempts run; default agent-runner-$ENVIRONMENT
#   SSH_SECRET_NAME   Secret with ssh-privatekey and known_hosts; without it the pod template's
#
#   example: scripts/spawn-pod.sh task-001 specs/feature/task-001-async https://example.org/team/app
#
# Prints JSON lines; exit codes as in sdlc-runner --help.
set -euo pipefail

case ${1-} in
  -h | --help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit
    ;;
  '')
    sed -n 's/^# usage: /usage: /p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=python3
if [[ -x $here/.venv/bin/python ]]; then python=$here/.venv/bin/python; fi
exec "$python" "$here/helpers/spawn_pod.py" "$@"
