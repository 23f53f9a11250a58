"""What cannot work is refused when it is rendered, with a sentence that says what to do."""

from __future__ import annotations

import pytest

from support.chart import values_table
from support.chart.rendering import refusal, render

pytestmark = pytest.mark.helm

STORE = "externalSecret.enabled=true,externalSecret.secretStore.name=vault"
ENV = '[{"name":"%s","value":"x"}]'


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--kube-version=1.28.0", "--set=agent.form=sidecar"],
            "native sidecars begin with 1.29; set agent.form to auto or single",
        ),
        (["--kube-version=1.24.0"], "kubeVersion: >=1.25.0"),
        (["--set=pod.image.tag=latest"], "name a version, or set pod.image.digest"),
        ([f"--set-json=agent.extraEnv={ENV % 'HOME'}"], "agent.extraEnv sets HOME"),
        (
            [f"--set-json=runner.extraEnv={ENV % 'SDLC_RUNNER_WHERE'}"],
            "runner.extraEnv sets SDLC_RUNNER_WHERE",
        ),
        ([r"--set=commonLabels.app\.kubernetes\.io/name=x"], "commonLabels sets"),
        ([r"--set=pod.labels.sdlc-runner/task=x"], "pod.labels sets sdlc-runner/task"),
        ([r"--set=pod.annotations.sdlc-runner/spec=x"], "pod.annotations sets sdlc-runner/spec"),
        (["--set=externalSecret.remoteRef.key=x"], "externalSecret.enabled is false"),
        (
            [f"--set={STORE},externalSecret.remoteRef.key=x,secrets.server.existingSecret=y"],
            "secrets.server.existingSecret and externalSecret.remoteRef.key are both set",
        ),
        (
            [f"--set={STORE},externalSecret.git.token.key=x,secrets.git.existingSecret=y"],
            "secrets.git.existingSecret and externalSecret.git are both set",
        ),
        ([f"--set={STORE}"], "there is nothing to fetch"),
        (
            ["--set=externalSecret.enabled=true,externalSecret.remoteRef.key=x"],
            "externalSecret.secretStore.name is empty",
        ),
        ([f"--set={STORE},externalSecret.git.ssh-privatekey.key=x"], "no known_hosts"),
        ([f"--set={STORE},externalSecret.git.username.key=x"], "neither token nor ssh-privatekey"),
        (["--set=secrets.server.generate=false"], "No source of the server password"),
        (["--set=spawner.create=false,spawner.users={ann}"], "spawner.create is false"),
        (
            [
                "--set=serviceAccount.name=me",
                '--set-json=spawner.serviceAccounts=[{"name":"me"}]',
            ],
            "an agent must not start agents",
        ),
        (
            ["--set=serviceAccount.create=false,serviceAccount.annotations.role=arn"],
            "there is nothing to annotate",
        ),
        (["--set=externalSecret.remoteRef.property=p"], "name the entry"),
        (
            ['--set-json=agent.extraVolumeMounts=[{"name":"git-credentials","mountPath":"/g"}]'],
            "agent.extraVolumeMounts names the volume git-credentials, which is none of",
        ),
        (
            ['--set-json=runner.extraVolumeMounts=[{"name":"cache","mountPath":"/c"}]'],
            "runner.extraVolumeMounts names the volume cache, which is none of",
        ),
        (
            ['--set-json=pod.extraVolumes=[{"name":"tmp","emptyDir":{}}]'],
            "pod.extraVolumes has a volume tmp",
        ),
        (["--set=opencode.config.permission.bash=ask"], "the runner sets that; take it out"),
        (["--set=opencode.config.model=a/b"], "use opencode.model"),
        (
            ["--set=opencode.model=a/b,opencode.enabledProviders={c}"],
            "opencode.enabledProviders leaves out",
        ),
        (
            ["--set=opencode.providers.a.options.apiKey=sk-1234"],
            "a ConfigMap is no place for secrets",
        ),
        (
            ["--set=opencode.config.mcp.x.headers.Authorization=Bearer abc"],
            "a ConfigMap is no place for secrets",
        ),
        (
            ['--set-json=networkPolicy.extra=[{"cidr":"169.254.169.254/32","ports":[80]}]'],
            "clouds answer there with credentials",
        ),
        (
            ["--set=resourceQuota.enabled=true", "--set-json=resourceQuota.hard=null"],
            "resourceQuota.hard is empty",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_is_refused_with_a_way_out(flags: list[str], said: str) -> None:
    assert said in refusal(*flags)


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        (["--set=podd.image.tag=1"], "podd"),
        (["--set=pod.image.tagg=1"], "tagg"),
        (["--set=agent.form=triple"], "form"),
        (["--set=opencode.model=sonnet"], "model"),
        (["--set=pod.volumes.workspace=lots"], "workspace"),
        (["--set=networkPolicy.enabled=yes"], "enabled"),
        (['--set-json=networkPolicy.git=[{"cidr":"10.0.0.0/8"}]'], "git"),
        (['--set-json=networkPolicy.git=[{"ports":[22]}]'], "git"),
        (
            ['--set-json=networkPolicy.git=[{"cidr":"10.0.0.0/8","podSelector":{},"ports":[22]}]'],
            "git",
        ),
        (['--set-json=networkPolicy.dns=[{"cidr":"10.0.0.9/32","ports":[22]}]'], "dns"),
        (["--set=externalSecret.git.password.key=x"], "password"),
        (["--set=externalSecret.model.not-a-variable.key=x"], "not-a-variable"),
        (["--set=test.connect={nowhere}"], "connect"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_schema_knows_every_value(flags: list[str], key: str) -> None:
    assert key in refusal(*flags)


@pytest.mark.parametrize("value", values_table.values(), ids=lambda value: value.path)
def test_a_value_without_content_is_empty_or_refused(value: values_table.Value) -> None:
    nothing = f"--set={value.path}=null"
    if isinstance(value.default, (list, dict)):
        assert render(nothing).one("PodTemplate")
    else:
        assert value.path.rpartition(".")[2] in refusal(nothing)
        assert "schema" in refusal(nothing)


@pytest.mark.parametrize("section", ["pod", "pod.image", "agent", "spawner", "networkPolicy"])
def test_a_section_without_content_is_refused(section: str) -> None:
    assert "schema" in refusal(f"--set={section}=null")
