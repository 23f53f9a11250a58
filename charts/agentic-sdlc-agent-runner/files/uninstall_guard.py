#!/usr/bin/env python3
"""What `helm uninstall` asks first: exit 0 if no attempt is left in the namespace, 1 if one is.

usage: uninstall_guard.py NAMESPACE RELEASE REVISION RELEASE_NAMESPACE

An attempt is a Job with the runner's label that has neither completed nor failed. Without an
answer from the API server no one knows, so that counts as "one is".
"""

import http.client
import json
import os
import re
import ssl
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

ACCOUNT = Path(os.environ.get("ACCOUNT_FOLDER", "/var/run/secrets/kubernetes.io/serviceaccount"))
SELECTOR = "app.kubernetes.io/managed-by=sdlc-runner"
PAGE = 20  # a Job carries up to 256 KiB of annotations
PAGE_LIMIT = 16 * 1024 * 1024
SHOWN = 20
PATIENCE_SECONDS = 15  # new rights may take the API server some
REQUEST_SECONDS = 5


class NoAnswerError(Exception):
    """The API server did not say which Jobs there are."""


def ask(path: str) -> dict:
    """Return what the API server answers."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    token = (ACCOUNT / "token").read_text().strip()
    server = http.client.HTTPSConnection(host, int(port), timeout=REQUEST_SECONDS, context=trusted)
    server.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = server.getresponse()
    said = json.loads(answer.read(PAGE_LIMIT))
    if answer.status != http.client.OK:
        raise NoAnswerError(f"{answer.status} {said.get('message', answer.reason)}")
    return said


def running(namespace: str) -> "list[dict]":
    """Return the attempts that have not ended, page by page."""
    found, query = [], {"labelSelector": SELECTOR, "limit": PAGE}
    while True:
        page = ask(f"/apis/batch/v1/namespaces/{namespace}/jobs?{urlencode(query)}")
        found += [job["metadata"] for job in page["items"] if not ended(job)]
        query["continue"] = page["metadata"].get("continue")
        if not query["continue"]:
            return found


def ended(job: dict) -> bool:
    """Whether a Job has completed or failed."""
    conditions = job.get("status", {}).get("conditions") or []
    return any(
        each["type"] in {"Complete", "Failed"} and each["status"] == "True" for each in conditions
    )


def running_with_retries(namespace: str) -> "list[dict]":
    """Ask again while the cause may be temporary."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return running(namespace)
        except Exception as error:  # whatever it is, the answer is missing
            if time.monotonic() > until:
                raise NoAnswerError(re.sub(r"\s+", " ", str(error))[:300]) from error
        time.sleep(1)


def line(job: dict) -> str:
    """Name one attempt."""
    labels = job.get("labels", {})
    task, number = (labels.get(f"sdlc-runner/{key}", "?") for key in ("task", "attempt"))
    return f"  task {task}, attempt {number}: Job {job['name']}, since {job['creationTimestamp']}"


def main(namespace: str, release: str, revision: str, home: str) -> int:
    """Say whether the release may go, and if not, what to do."""
    ways = (
        "Helm now counts the release as half uninstalled and will not upgrade it.",
        f"To keep it: helm rollback {release} {revision} -n {home}",
        f"To uninstall anyway: helm uninstall {release} -n {home} --no-hooks",
    )
    try:
        jobs = running_with_retries(namespace)
    except NoAnswerError as error:
        look = f"kubectl -n {namespace} get jobs -l {SELECTOR}"
        report(
            f"REFUSED: cannot find out whether attempts run in namespace {namespace}: {error}",
            f"Fix that and uninstall again, or check with: {look}",
            *ways,
        )
        return 1
    if jobs:
        report(*refusal(jobs), *ways)
        return 1
    report(f"No attempt runs in namespace {namespace}.")
    return 0


def refusal(jobs: "list[dict]") -> "list[str]":
    """Name the attempts that are in the way, the first of them."""
    more = [f"  and {len(jobs) - SHOWN} more"] if len(jobs) > SHOWN else []
    return [
        f"REFUSED: {len(jobs)} of the namespace's attempts have not ended.",
        "Uninstalling would take away their network policy, account and Secrets.",
        *map(line, jobs[:SHOWN]),
        *more,
        "Wait until they end, or end each (sdlc-runner cancel TASK), and uninstall again.",
    ]


def report(*lines: str) -> None:
    """Print lines, with no character that a terminal would act on."""
    sys.stdout.writelines(
        "".join(each if each.isprintable() else "?" for each in text) + "\n" for text in lines
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
