"""Argo CD on a real cluster: each stage from git, as its argocd.yaml says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.chart.rendering import RELEASES, STAGES, render

if TYPE_CHECKING:
    from support.chart.argo import Application

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

Applications = dict[str, "Application"]
every_stage = pytest.mark.parametrize("stage", STAGES)
QUEUE = {"kueue": {"queueName": "agents"}}


def queue(application: Application) -> str | None:
    template = application.agents.get("podtemplate", application.release)["template"]
    found: str | None = template["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")
    return found


def versions(application: Application) -> dict[str, str]:
    objects = application.objects().items()
    return {name: each["metadata"]["resourceVersion"] for name, each in objects}


@every_stage
def test_a_stage_comes_up_with_everything_but_hooks(applications: Applications, stage: str) -> None:
    application = applications[stage]
    application.come_up()
    release = RELEASES[stage]
    rendered = render(chart=release, name=release.name).documents
    hooks = [each for each in rendered if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert {each["metadata"]["name"] for each in hooks} == {
        f"{release.name}-test",
        f"{release.name}-uninstall-guard",
    }
    ours = {(each["kind"], each["metadata"]["name"]) for each in rendered if each not in hooks}
    found = application.objects().values()
    assert {(each["kind"], each["metadata"]["name"]) for each in found} == ours
    for kind in {each["kind"].lower() for each in hooks}:
        there = {each["metadata"]["name"] for each in application.agents.items(kind)}
        assert not there & {each["metadata"]["name"] for each in hooks}


@every_stage
def test_the_namespace_refuses_pods_that_are_not_restricted(
    applications: Applications, stage: str
) -> None:
    applications[stage].come_up()
    flags = ("--image=any", "--restart=Never", "--dry-run=server")
    refused = applications[stage].agents.try_run("run", "any", *flags)
    assert 'violates PodSecurity "restricted' in refused.error_text


@pytest.mark.parametrize("stage", ["dev", "stg"])
def test_a_push_arrives_by_itself(applications: Applications, stage: str) -> None:
    application = applications[stage]
    application.come_up()
    assert queue(application) is None
    application.wait_synced(application.source.change(stage, QUEUE))
    assert queue(application) == "agents"
    application.wait_healthy()


def test_production_waits_for_a_person(applications: Applications) -> None:
    production = applications["prod"]
    production.come_up()
    revision = production.source.change("prod", QUEUE)
    production.source.git("tag", "v0.1.1")
    production.patch(spec={"source": {"targetRevision": "v0.1.1"}})
    for _ in range(2):  # what syncs by itself does so at the first look
        status = production.look()["status"]
        assert (status["sync"]["status"], status["sync"]["revision"]) == ("OutOfSync", revision)
        assert "operation" not in status
        assert queue(production) is None
    production.sync()
    production.wait_synced(revision)
    assert queue(production) == "agents"


def test_a_second_sync_changes_nothing(applications: Applications) -> None:
    for each in applications.values():
        each.come_up()
    before = {stage: versions(each) for stage, each in applications.items()}
    for each in applications.values():
        each.look()  # has the chart rendered again, and with it another password
    syncs = [(each, each.begin_sync()) for each in applications.values()]
    for application, ended in syncs:
        application.end_sync(ended)
        status = application.look()["status"]
        assert status["sync"]["status"] == "Synced"
        assert {each["status"] for each in status["resources"]} == {"Synced"}
    after = {stage: versions(each) for stage, each in applications.items()}
    assert after == before, "the password that was made among them"


def test_a_chart_that_does_not_render_changes_nothing_and_says_why(
    applications: Applications,
) -> None:
    application = applications["dev"]
    application.come_up()
    before = versions(application)
    application.source.change("dev", {"pod": {"image": {"tag": "latest"}}})
    (condition,) = application.look()["status"]["conditions"]
    assert condition["type"] == "ComparisonError"
    assert "pod.image.tag is latest: no one could say later what" in condition["message"]
    assert versions(application) == before
    application.source.git("revert", "--no-edit", "HEAD")
    application.wait_synced(application.source.git("rev-parse", "HEAD"))
    assert "conditions" not in application.get()["status"]
