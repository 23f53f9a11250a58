"""Helm, and what it renders."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdlc_runner import process

ROOT = Path(__file__).resolve().parents[3]
NAME = "agentic-sdlc-agent-runner"
CHART = ROOT / "charts" / NAME
STAGES = ("dev", "stg", "prod")
RELEASES = {stage: ROOT / "releases" / f"{NAME}-{stage}" for stage in STAGES}
MAJORS = (3, 4)

Document = dict[str, Any]


@cache
def find(major: int) -> str | None:
    """Helm of one major version: on PATH, or where tests/chart/get-helm puts it."""
    cached = ROOT / ".cache" / f"helm{major}" / "helm"
    for program in (shutil.which("helm"), shutil.which(f"helm{major}"), str(cached)):
        said = process.run([program, "version", "--short"]) if program else None
        if program and said and said.text.startswith(f"v{major}."):
            return program
    return None


def helm_program(major: int | None = None) -> str:
    """Helm's path; without it the test is skipped, and in CI fails."""
    found = next(filter(None, map(find, MAJORS if major is None else [major])), None)
    if found:
        return found
    sentence = f"Helm {major or '3 or 4'} is not on PATH; tests/chart/get-helm builds it."
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


def helm(*arguments: str, major: int | None = None) -> process.Completed:
    """Run Helm without the repositories of the user who runs the tests."""
    env = {**os.environ, "HELM_REPOSITORY_CONFIG": os.devnull}
    return process.run([helm_program(major), *arguments], env=env, timeout=100)


class Rendered:
    """The objects of one rendering."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.documents: list[Document] = [each for each in yaml.safe_load_all(text) if each]

    @property
    def installed(self) -> list[Document]:
        """All but what ``helm uninstall`` makes, which is in ``guard``."""
        return [each for each in self.documents if not _guards(each)]

    def kinds(self) -> list[str]:
        return sorted(each["kind"] for each in self.installed)

    def all(self, kind: str) -> list[Document]:
        return [each for each in self.installed if each["kind"] == kind]

    @property
    def guard(self) -> dict[str, Document]:
        """What ``helm uninstall`` makes before it removes anything, by kind."""
        return {each["kind"]: each for each in self.documents if _guards(each)}

    def one(self, kind: str) -> Document:
        (found,) = self.all(kind)
        return found

    @property
    def pod(self) -> Document:
        """The pod that the PodTemplate describes."""
        template: Document = self.one("PodTemplate")["template"]
        return template

    def containers(self) -> dict[str, Document]:
        spec = self.pod["spec"]
        return {each["name"]: each for each in spec.get("initContainers", []) + spec["containers"]}


def _guards(document: Document) -> bool:
    annotations = document["metadata"].get("annotations", {})
    return bool(annotations.get("helm.sh/hook") == "pre-delete")


@cache
def template(
    *flags: str, chart: Path = CHART, name: str = "sdlc", major: int | None = None
) -> process.Completed:
    return helm("template", name, str(chart), "--namespace", "agents", *flags, major=major)


def render(
    *flags: str, chart: Path = CHART, name: str = "sdlc", major: int | None = None
) -> Rendered:
    """What ``helm template`` makes of the chart with these flags."""
    done = template(*flags, chart=chart, name=name, major=major)
    assert done.ok, done.error_text
    return Rendered(done.text)


def with_values(*settings: str) -> Rendered:
    """What the chart makes of ``key=value`` settings."""
    return render(*(f"--set={setting}" for setting in settings))


def refusal(*flags: str, chart: Path = CHART) -> str:
    """What Helm says when it refuses these flags."""
    done = template(*flags, chart=chart)
    assert not done.ok, "it was accepted"
    return done.error_text
