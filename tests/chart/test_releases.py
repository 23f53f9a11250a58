"""The releases: charts that depend on this one, ready from a fresh clone with Helm 3 and 4."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

import sdlc_runner
from support.chart.rendering import (
    CHART,
    MAJORS,
    NAME,
    RELEASES,
    ROOT,
    STAGES,
    Document,
    helm,
    render,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.helm

every_stage = pytest.mark.parametrize("stage", STAGES)
every_helm = pytest.mark.parametrize("major", MAJORS, ids=lambda major: f"helm{major}")


def loaded(path: Path) -> Document:
    found: Document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def nested(stage: str) -> Document:
    found: Document = loaded(RELEASES[stage] / "values.yaml")[NAME]
    return found


@every_helm
@pytest.mark.parametrize("chart", [CHART, *RELEASES.values()], ids=lambda path: path.name)
def test_helm_finds_no_fault(chart: Path, major: int) -> None:
    done = helm("lint", "--strict", str(chart), major=major)
    assert done.ok, done.text


@every_helm
@every_stage
def test_renders_without_fetching_anything(stage: str, major: int) -> None:
    name = RELEASES[stage].name
    rendered = render(chart=RELEASES[stage], name=name, major=major)
    assert rendered.one("PodTemplate")["metadata"]["name"] == name


@every_helm
def test_dependencies_can_also_be_built(tmp_path: Path, major: int) -> None:
    for folder in ("charts", "releases"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    release = tmp_path / "releases" / RELEASES["dev"].name
    flags = ["--namespace", "agents", "--dependency-update"]
    done = helm("template", "x", str(release), *flags, major=major)
    assert done.ok, done.error_text
    assert done.text.count("kind: PodTemplate") == 1


@every_stage
def test_a_value_beside_the_charts_name_is_refused(stage: str) -> None:
    done = helm("template", "x", str(RELEASES[stage]), "--set=pod.image.tag=1")
    assert not done.ok
    assert "pod" in done.error_text


@every_stage
def test_versions_are_the_products(stage: str) -> None:
    chart, release = loaded(CHART / "Chart.yaml"), loaded(RELEASES[stage] / "Chart.yaml")
    (dependency,) = release["dependencies"]
    (locked,) = loaded(RELEASES[stage] / "Chart.lock")["dependencies"]
    versions = (each["version"] for each in (chart, release, dependency, locked))
    assert {*versions} == {sdlc_runner.__version__}
    assert chart["appVersion"] == release["appVersion"] == sdlc_runner.__version__


@every_stage
def test_argo_cd_has_the_same_name_folder_and_namespace(stage: str) -> None:
    application = loaded(RELEASES[stage] / "argocd.yaml")
    spec = application["spec"]
    assert application["apiVersion"] == "argoproj.io/v1alpha1"
    assert application["metadata"]["name"] == RELEASES[stage].name
    assert (ROOT / spec["source"]["path"]) == RELEASES[stage]
    assert spec["destination"]["namespace"] == f"agent-runner-{stage}"
    assert "CreateNamespace=true" in spec["syncPolicy"]["syncOptions"]


@every_stage
def test_argo_cd_never_changes_a_password_that_was_made(stage: str) -> None:
    rendered = render(chart=RELEASES[stage], name=RELEASES[stage].name)
    made = [each["metadata"]["name"] for each in rendered.all("Secret")]
    spec = loaded(RELEASES[stage] / "argocd.yaml")["spec"]
    left_out = [each["name"] for each in spec.get("ignoreDifferences", [])]
    assert made == left_out
    respected = "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    assert respected == bool(made)


def test_production_moves_only_by_hand_and_by_tag() -> None:
    spec = loaded(RELEASES["prod"] / "argocd.yaml")["spec"]
    assert "automated" not in spec["syncPolicy"]
    assert spec["source"]["targetRevision"] == f"v{sdlc_runner.__version__}"


def test_production_refuses_an_agent_that_sees_the_git_credentials() -> None:
    assert nested("prod")["agent"]["form"] == "sidecar"


def test_production_has_no_way_out_that_it_does_not_need() -> None:
    rendered = render(chart=RELEASES["prod"], name=RELEASES["prod"].name)
    _, *rules = rendered.one("NetworkPolicy")["spec"]["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {443}


def test_development_is_small() -> None:
    dev, prod = (render(chart=RELEASES[stage]).containers() for stage in ("dev", "prod"))
    for side in ("agent", "runner"):
        small, large = dev[side]["resources"], prod[side]["resources"]
        assert amount(small["requests"]["cpu"]) < amount(large["requests"]["cpu"])
        assert amount(small["limits"]["memory"]) < amount(large["limits"]["memory"])
        assert small["requests"]["memory"] == large["requests"]["memory"], "what it takes"


def amount(quantity: str) -> int:
    units = {"m": 1, "Mi": 2**20, "Gi": 2**30}
    (unit,) = (unit for unit in units if quantity.endswith(unit))
    return int(quantity.removesuffix(unit)) * units[unit]


@pytest.mark.parametrize("stage", ["stg", "prod"])
def test_what_others_share_is_bounded_and_fetched(stage: str) -> None:
    rendered = render(chart=RELEASES[stage], name=RELEASES[stage].name)
    assert {"NetworkPolicy", "ResourceQuota", "RoleBinding"} <= set(rendered.kinds())
    assert len(rendered.all("ExternalSecret")) == 3


def test_development_uses_an_image_that_is_never_pulled() -> None:
    rendered = render(chart=RELEASES["dev"], name=RELEASES["dev"].name)
    for container in rendered.containers().values():
        assert container["image"] == "docker.io/local/sdlc-agent:dev"
        assert container["imagePullPolicy"] == "Never"
