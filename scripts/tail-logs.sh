#!/usr/bin/env bash
# Follows the attempt in a pod to its verified outcome.
#
# usage: scripts/tail-logs.sh POD [OPTION...]
#
#   ENVIRONMENT       dev (the default), stg or prod
#   NAMESPACE         where attempts run; default agent-runner-$ENVIRONMENT
#
#   example: scripts/tail-logs.sh sdlc-001-todo-app-t001-1-f935d1d952-x7k2p
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
exec "$python" "$here/helpers/tail_logs.py" "$@"
