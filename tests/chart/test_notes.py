"""What a person reads after an installation: what to do next, and what is not well."""

from __future__ import annotations

import pytest

from support.chart.rendering import CHART, helm

pytestmark = pytest.mark.helm

WELL = (
    "secrets.git.existingSecret=g",
    "secrets.model.existingSecret=m",
    "spawner.users={ann}",
    "pod.image.repository=example.com/agent",
)


def notes(*settings: str) -> str:
    """As Helm 4 shows them; Helm 3 asks a cluster even for a dry run."""
    flags = [f"--set={setting}" for setting in settings]
    dry = ["install", "sdlc", str(CHART), "--dry-run=client", "--namespace", "agents"]
    done = helm(*dry, *flags, major=4)
    assert done.ok, done.error_text
    return done.text.partition("NOTES:\n")[2]


def test_they_name_the_settings() -> None:
    said = notes(*WELL)
    assert '"namespace": "agents"' in said
    assert '"pod_template": "sdlc-agentic-sdlc-agent-runner"' in said
    assert "WARNING" not in said


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ((), "helm test sdlc -n agents --logs"),
        (
            ("test.enabled=false",),
            "kubectl -n agents get podtemplate sdlc-agentic-sdlc-agent-runner",
        ),
    ],
)
def test_they_end_in_the_next_three_commands(settings: tuple[str, ...], first: str) -> None:
    after = notes(*WELL, *settings).partition("Next:\n")[2]
    commands = after.partition("\n\n")[0].splitlines()
    assert commands == [f"  {first}", "  sdlc-runner doctor", "  sdlc-runner run"]


def test_they_say_in_one_line_that_uninstalling_may_be_refused() -> None:
    assert [line for line in notes(*WELL).splitlines() if "uninstall" in line] == [
        "While attempts run, helm uninstall is refused (uninstallGuard.enabled)."
    ]
    assert "uninstall" not in notes(*WELL, "uninstallGuard.enabled=false")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("agent.form=single", "the agent can read the git credentials"),
        ("secrets.git.existingSecret=", "no git Secret is named"),
        ("secrets.model.existingSecret=", "no model Secret is named"),
        ("pod.image.repository=registry.example.com/x", "placeholder"),
        ("networkPolicy.enabled=false", "reaches whatever the cluster reaches"),
        ("spawner.users=null", "Only administrators"),
    ],
)
def test_they_say_what_is_not_well(setting: str, said: str) -> None:
    assert said not in notes(*WELL)
    assert said in notes(*WELL, setting)


def test_they_say_how_to_make_what_is_missing() -> None:
    assert "kubectl -n agents create secret generic g --from-file=token=FILE" in notes(*WELL)
