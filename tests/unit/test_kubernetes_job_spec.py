"""The Job of an attempt: what is laid over the administrator's template, and what is not."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sdlc_runner.attempt import naming
from sdlc_runner.attempt.spec import AttemptSpec, AttemptTask
from sdlc_runner.backends.kubernetes import job_spec
from sdlc_runner.backends.kubernetes.job_spec import Clocks, build_job, spec_of
from sdlc_runner.backends.kubernetes.pod_template import parse_template
from sdlc_runner.config.settings import Limits, VerifySettings
from sdlc_runner.errors import RunnerError, UsageError
from sdlc_runner.events.codec import AttemptKey

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATE: dict[str, Any] = {
    "kind": "PodTemplate",
    "template": {
        "metadata": {
            "labels": {"team": "a", "kueue.x-k8s.io/queue-name": "builds"},
            "annotations": {"mesh.example.com/inject": "false"},
        },
        "spec": {
            "initContainers": [{"name": "agent", "image": "i", "restartPolicy": "Always"}],
            "containers": [
                {"name": "other", "image": "o"},
                {
                    "name": "runner",
                    "image": "i",
                    "env": [
                        {"name": "HOME", "value": "/attempt"},
                        {"name": "SDLC_RUNNER_WHERE", "value": "forged"},
                    ],
                },
            ],
            "volumes": [
                {"name": "git-credentials", "secret": {"secretName": "git", "defaultMode": 288}},
                {"name": "workspace", "emptyDir": {}},
            ],
        },
    },
}
KEY = AttemptKey("001-demo", "T001", 2)
TASK = AttemptTask("T001", "Write a.txt", "- [ ] T001 [ASYNC] Write a.txt")
ORIGIN = "host/team/app"
LABEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LONGEST = 2**31 - 1


def spec(key: AttemptKey = KEY, *tasks: AttemptTask, **changes: Any) -> AttemptSpec:  # noqa: ANN401
    found = tasks or (TASK,)
    ids = tuple(task.id for task in found)
    text = "\n".join(task.text for task in found)
    made = AttemptSpec(
        key=key,
        identity=naming.Identity(ORIGIN, key, ids, text).hash,
        tasks=found,
        remote="https://host/team/app.git",
        feature_dir="specs/001-demo",
        feature_branch="001-demo",
        base="0" * 40,
        branch=naming.branch("sdlc-runner", key),
        origin=ORIGIN,
    )
    return replace(made, **changes)


def build(
    attempt: AttemptSpec,
    template: Mapping[str, Any] = TEMPLATE,
    clocks: Clocks | None = None,
    secret: str = "",
) -> dict[str, Any]:
    parsed = parse_template(copy.deepcopy(template), "test")
    return build_job(parsed, attempt, "kubernetes:1", clocks or Clocks(), 60, secret)


def changed(**changes: object) -> dict[str, Any]:
    """Return the template with fields of its pod's specification changed."""
    found = copy.deepcopy(TEMPLATE)
    found["template"]["spec"].update(changes)
    return found


def pod_of(job: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = job["spec"]["template"]["spec"]
    return found


def test_a_job_tries_once_and_never_makes_a_second_pod() -> None:
    job = build(spec())
    kept = {"backoffLimit": 0, "completions": 1, "parallelism": 1, "podReplacementPolicy": "Failed"}
    assert kept.items() <= job["spec"].items()
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("FailJob", "DisruptionTarget")
    assert pod_of(job)["restartPolicy"] == "Never"


def test_the_template_stays_the_administrators() -> None:
    before = copy.deepcopy(TEMPLATE)
    job = build(spec())
    assert before == TEMPLATE
    template = job["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "a"
    assert template["metadata"]["annotations"]["mesh.example.com/inject"] == "false"
    assert pod_of(job)["volumes"] == TEMPLATE["template"]["spec"]["volumes"]
    assert pod_of(job)["initContainers"] == TEMPLATE["template"]["spec"]["initContainers"]


def test_job_and_pod_carry_the_labels_they_are_found_by() -> None:
    job = build(spec())
    expected = {
        "app.kubernetes.io/managed-by": "sdlc-runner",
        "app.kubernetes.io/name": "agentic-sdlc-agent-runner",
        "sdlc-runner/scope": job_spec.scope_of(ORIGIN, "001-demo"),
        "sdlc-runner/task": "t001",
        "sdlc-runner/attempt": "2",
        "sdlc-runner/identity": spec().identity[:63],
    }
    assert expected.items() <= job["metadata"]["labels"].items()
    assert expected.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "builds"


def test_the_specification_comes_back_from_job_and_pod_as_it_was() -> None:
    attempt = spec(limits=Limits(tokens=5), verify=VerifySettings(commands=("make test",)))
    job = build(attempt)
    assert spec_of(job["metadata"]["annotations"]) == attempt
    assert spec_of(job["spec"]["template"]["metadata"]["annotations"]) == attempt


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"key": {}}'])
def test_a_job_with_no_specification_of_ours_is_passed_over(text: str) -> None:
    assert spec_of({"sdlc-runner/spec": text}) is None
    assert spec_of({}) is None


def test_a_specification_too_long_for_annotations_is_an_error_with_a_way_out() -> None:
    long = AttemptTask("T001", "Write", "x" * 210_000)
    with pytest.raises(RunnerError, match="more than 200 KiB") as raised:
        build(spec(KEY, long))
    assert "file of the feature" in raised.value.hint


def test_the_runner_alone_is_reported_where_it_runs() -> None:
    _, runner = pod_of(build(spec()))["containers"]
    assert runner["env"] == [
        {"name": "HOME", "value": "/attempt"},
        {"name": "SDLC_RUNNER_WHERE", "value": "kubernetes:1"},
    ]
    assert "env" not in pod_of(build(spec()))["initContainers"][0]


def test_another_git_secret_takes_the_place_of_the_templates() -> None:
    git, workspace = pod_of(build(spec(), secret="mine"))["volumes"]
    assert git["secret"] == {"secretName": "mine", "defaultMode": 288}
    assert workspace == {"name": "workspace", "emptyDir": {}}


@pytest.mark.parametrize(
    ("attempt", "clocks", "pod", "job"),
    [
        (spec(), Clocks(), 900 + 7200 + 600, 86_400 + 900 + 7200 + 600 + 600),
        (spec(limits=Limits(run_seconds=0)), Clocks(), None, None),
        (spec(), Clocks(start=0), None, None),
        (spec(), Clocks(queue=0), 900 + 7200 + 600, None),
        (
            spec(verify=VerifySettings(commands=("x",))),
            Clocks(queue=0),
            900 + 7200 + 600 + 600,
            None,
        ),
        (spec(limits=Limits(run_seconds=0.5)), Clocks(start=0.5, queue=0), 601, None),
        (
            spec(limits=Limits(run_seconds=10**9)),
            Clocks(start=2 * 10**9, queue=10**9),
            LONGEST,
            10**9 + LONGEST + 600,
        ),
    ],
)
def test_deadlines_stand_behind_the_wrappers_own_clock(
    attempt: AttemptSpec, clocks: Clocks, pod: int | None, job: int | None
) -> None:
    built = build(attempt, clocks=clocks)
    assert pod_of(built).get("activeDeadlineSeconds") == pod
    assert built["spec"].get("activeDeadlineSeconds") == job


@pytest.mark.parametrize(("own", "kept"), [(60, 60), (10**6, 900 + 7200 + 600)])
def test_the_shorter_deadline_counts(own: int, kept: int) -> None:
    built = build(spec(), changed(activeDeadlineSeconds=own))
    assert pod_of(built)["activeDeadlineSeconds"] == kept


AWKWARD = [
    *(
        "T 001",
        "größer",
        "日本語",
        "👍🏽",
        "\u202eabc",
        "\ud800",
        "",
        "..",
        "a/b",
        "--option",
        "$(id)",
    ),
    *("x" * length for length in (39, 40, 41, 62, 63, 64, 200)),
    *("a\tb\nc\0d", "-a-", "_", ".", "İ", "%2e", "T001-1", "UPPER" * 20, "1" * 70),
]


def test_awkward_names_make_names_labels_and_annotations_that_the_api_takes() -> None:
    keys = [AttemptKey(one, two, n) for one in AWKWARD for two in AWKWARD for n in (1, 10**9)]
    assert len(keys) > 1000
    jobs = [build(spec(key, AttemptTask(key.task, "Do", key.task))) for key in keys]
    assert len({job["metadata"]["name"] for job in jobs}) == len(keys)
    for job in jobs:
        assert NAME.fullmatch(job["metadata"]["name"])
        labels = {**job["metadata"]["labels"], **job["spec"]["template"]["metadata"]["labels"]}
        assert all(LABEL.fullmatch(value) for value in labels.values())
        assert all(note.encode() for note in job["metadata"]["annotations"].values())
    read = [spec_of(job["metadata"]["annotations"]) for job in jobs]
    assert [each.key for each in read if each] == keys


def test_a_change_of_the_pod_changes_the_digest_and_nothing_else_does() -> None:
    one = parse_template(TEMPLATE, "here")
    other = parse_template({**TEMPLATE, "metadata": {"name": "x"}}, "there")
    assert one.digest == other.digest
    assert one.digest != parse_template(changed(nodeSelector={"a": "b"}), "here").digest
    assert build(spec())["metadata"]["annotations"]["sdlc-runner/template"] == one.digest


def of_spec(spec: object) -> object:
    return {"kind": "PodTemplate", "template": {"spec": spec}}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "is not a PodTemplate"),
        ({"kind": "Pod"}, "is not a PodTemplate"),
        ({"kind": "PodTemplate"}, "needs an object at template"),
        ({"kind": "PodTemplate", "template": []}, "needs an object at template"),
        ({"kind": "PodTemplate", "template": {}}, r"has no template\.spec"),
        (of_spec({}), r"has no template\.spec\.containers"),
        (of_spec({"containers": {}}), r"needs a list at template\.spec\.containers"),
        (of_spec({"containers": [5]}), r"needs an object at template\.spec\.containers\[0\]"),
        (of_spec({"containers": [{}]}), r"has no template\.spec\.containers\[0\]\.name"),
        (of_spec({"containers": [{"name": "x"}]}), "has no container named runner"),
    ],
)
def test_what_is_no_template_is_refused(found: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_template(found, "test")


def test_one_container_is_reported_from_two() -> None:
    assert not parse_template(TEMPLATE, "test").is_single
    assert parse_template(changed(initContainers=[]), "test").is_single
