"""Every switch and list of the chart: what it adds, and that nothing of it is there without it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.chart.rendering import Rendered, render, with_values

pytestmark = pytest.mark.helm

NAME = "sdlc-agentic-sdlc-agent-runner"
STORE = ("externalSecret.enabled=true", "externalSecret.secretStore.name=vault")
ALWAYS = ["ConfigMap", "PodTemplate"]
DEFAULT = sorted(
    [*ALWAYS, "NetworkPolicy", "Pod", "Role", "Secret", "ServiceAccount"]
)  # the Pod is helm test's


def given(value: str, content: object) -> Rendered:
    return render(f"--set-json={value}={json.dumps(content)}")


def spec(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = rendered.pod["spec"]
    return found


def test_by_default_there_is_what_attempts_need() -> None:
    assert with_values().kinds() == DEFAULT


@pytest.mark.parametrize(
    ("kind", "switch"),
    [
        ("ServiceAccount", "serviceAccount.create"),
        ("Role", "spawner.create"),
        ("NetworkPolicy", "networkPolicy.enabled"),
        ("Pod", "test.enabled"),
        ("Secret", "secrets.server.generate"),
    ],
)
def test_what_is_on_can_be_switched_off(kind: str, switch: str) -> None:
    elsewhere = "secrets.server.existingSecret=mine"  # a password must come from somewhere
    assert with_values(f"{switch}=false", elsewhere).kinds() == sorted(
        {*DEFAULT} - {kind, "Secret"}
    )


@pytest.mark.parametrize(
    ("kind", "switch"),
    [("Namespace", "namespace.create"), ("ResourceQuota", "resourceQuota.enabled")],
)
def test_what_is_off_can_be_switched_on(kind: str, switch: str) -> None:
    assert with_values(f"{switch}=true").kinds() == sorted([*DEFAULT, kind])


def test_with_everything_off_the_template_and_its_configuration_remain() -> None:
    off = ("serviceAccount.create", "spawner.create", "networkPolicy.enabled", "test.enabled")
    kept = with_values(*(f"{switch}=false" for switch in off), "secrets.server.existingSecret=mine")
    assert kept.kinds() == ALWAYS


def test_a_namespace_of_ones_own_takes_every_object() -> None:
    rendered = with_values("namespace.create=true", "namespace.name=elsewhere")
    assert rendered.one("Namespace")["metadata"]["name"] == "elsewhere"
    labels = rendered.one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    rest = [each for each in rendered.documents if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in rest} == {"elsewhere"}


def test_without_a_name_everything_goes_to_the_release_namespace() -> None:
    assert {each["metadata"]["namespace"] for each in with_values().documents} == {"agents"}


@pytest.mark.parametrize("kind", ["git", "model"])
def test_a_secret_that_is_not_named_is_not_mounted(kind: str) -> None:
    volume = {"git": "git-credentials", "model": "model-keys"}[kind]
    without = with_values()
    assert volume not in [each["name"] for each in spec(without)["volumes"]]
    assert f"/secrets/{kind}" not in without.text
    named = with_values(f"secrets.{kind}.existingSecret=mine")
    assert volume in [each["name"] for each in spec(named)["volumes"]]


def test_the_password_can_come_from_elsewhere() -> None:
    rendered = with_values("secrets.server.existingSecret=mine")
    assert not rendered.all("Secret")
    rule = rendered.one("Role")["rules"][-1]
    assert (rule["resources"], rule["resourceNames"]) == (["secrets"], ["mine"])


def test_a_made_password_is_long_and_new_each_time() -> None:
    first, second = (
        with_values(f"commonLabels.round={count}").one("Secret")["data"]["server-password"]
        for count in ("a", "b")
    )
    assert len(first) >= 40
    assert first != second


def test_a_store_can_hold_the_password() -> None:
    rendered = with_values(
        *STORE, "externalSecret.remoteRef.key=k", "externalSecret.remoteRef.property=p"
    )
    assert not rendered.all("Secret")
    external = rendered.one("ExternalSecret")
    assert external["apiVersion"] == "external-secrets.io/v1"
    assert external["spec"]["secretStoreRef"] == {"name": "vault", "kind": "ClusterSecretStore"}
    assert external["spec"]["target"]["name"] == f"{NAME}-server-password"
    (entry,) = external["spec"]["data"]
    assert entry["secretKey"] == "server-password"
    assert (entry["remoteRef"]["key"], entry["remoteRef"]["property"]) == ("k", "p")


def test_a_store_can_hold_the_git_and_model_secrets() -> None:
    rendered = with_values(
        *STORE,
        "externalSecret.git.ssh-privatekey.key=deploy",
        "externalSecret.git.known_hosts.key=hosts",
        "externalSecret.model.ANTHROPIC_API_KEY.key=claude",
    )
    keys = {
        each["metadata"]["name"]: [entry["secretKey"] for entry in each["spec"]["data"]]
        for each in rendered.all("ExternalSecret")
    }
    assert keys == {
        f"{NAME}-git-credentials": ["known_hosts", "ssh-privatekey"],
        f"{NAME}-model-keys": ["ANTHROPIC_API_KEY"],
    }
    mounted = {each["name"]: each.get("secret") for each in spec(rendered)["volumes"]}
    assert mounted["git-credentials"]["secretName"] == f"{NAME}-git-credentials"
    assert mounted["model-keys"]["secretName"] == f"{NAME}-model-keys"
    assert rendered.all("Secret"), "the password is still made"


def test_spawners_are_bound() -> None:
    rendered = render(
        "--set=spawner.users={ann},spawner.groups={devs}",
        '--set-json=spawner.serviceAccounts=[{"name":"ci"},{"name":"bot","namespace":"apps"}]',
    )
    binding = rendered.one("RoleBinding")
    assert binding["roleRef"]["name"] == rendered.one("Role")["metadata"]["name"]
    assert [
        (each["kind"], each["name"], each.get("namespace")) for each in binding["subjects"]
    ] == [
        ("User", "ann", None),
        ("Group", "devs", None),
        ("ServiceAccount", "ci", "agents"),
        ("ServiceAccount", "bot", "apps"),
    ]


def test_the_queue_is_a_label_of_the_pods() -> None:
    label = "kueue.x-k8s.io/queue-name"
    assert label not in with_values().pod["metadata"]["labels"]
    assert with_values("kueue.queueName=agents").pod["metadata"]["labels"][label] == "agents"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("nodeSelector", {"disk": "fast"}),
        ("tolerations", [{"key": "agents", "operator": "Exists"}]),
        ("affinity", {"podAntiAffinity": {}}),
        ("priorityClassName", "low"),
        ("runtimeClassName", "gvisor"),
    ],
)
def test_pods_can_be_placed(value: str, content: object) -> None:
    assert value not in spec(with_values())
    rendered = given(f"pod.{value}", content)
    assert spec(rendered)[value] == content
    assert rendered.one("Pod")["spec"][value] == content, "helm test goes where attempts go"


def test_labels_and_annotations_reach_the_pods() -> None:
    rendered = with_values("pod.labels.team=a", "pod.annotations.note=b", "commonLabels.cost=c")
    metadata = rendered.pod["metadata"]
    assert metadata["labels"]["team"] == "a"
    assert metadata["annotations"]["note"] == "b"
    assert all(each["metadata"]["labels"]["cost"] == "c" for each in rendered.documents)


def test_images_can_be_named_by_tag_or_digest() -> None:
    digest = f"sha256:{'a' * 64}"
    images = {
        "": ":0.2.0",
        "pod.image.tag=1.2": ":1.2",
        f"pod.image.digest={digest}": f"@{digest}",
        f"pod.image.tag=latest,pod.image.digest={digest}": f"@{digest}",
    }
    for setting, ending in images.items():
        rendered = with_values(*filter(None, [setting]))
        for container in rendered.containers().values():
            assert container["image"] == f"registry.example.com/sdlc-agent{ending}"


def test_registry_credentials_are_named() -> None:
    rendered = with_values("pod.image.pullSecrets={a,b}", "pod.image.pullPolicy=Always")
    assert spec(rendered)["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert {each["imagePullPolicy"] for each in rendered.containers().values()} == {"Always"}


@pytest.mark.parametrize("side", ["agent", "runner"])
def test_each_side_has_its_own_extras(side: str) -> None:
    rendered = render(
        '--set-json=pod.extraVolumes=[{"name":"cache","emptyDir":{}}]',
        f'--set-json={side}.extraVolumeMounts=[{{"name":"cache","mountPath":"/cache"}}]',
        f'--set-json={side}.extraEnv=[{{"name":"HTTPS_PROXY","value":"http://proxy"}}]',
        f"--set={side}.resources.limits.memory=3Gi",
    )
    assert {"name": "cache", "emptyDir": {}} in spec(rendered)["volumes"]
    for name, container in rendered.containers().items():
        has = name == side
        assert ({"name": "cache", "mountPath": "/cache"} in container["volumeMounts"]) == has
        assert ({"name": "HTTPS_PROXY", "value": "http://proxy"} in container["env"]) == has
        assert (container["resources"]["limits"]["memory"] == "3Gi") == has


def test_the_single_form_has_the_extras_of_both_sides() -> None:
    rendered = render(
        "--set=agent.form=single",
        '--set-json=agent.extraEnv=[{"name":"A","value":"1"}]',
        '--set-json=runner.extraEnv=[{"name":"B","value":"2"}]',
    )
    (single,) = rendered.containers().values()
    assert [each["name"] for each in single["env"]][-2:] == ["A", "B"]


def test_a_private_ca_is_trusted_on_both_sides() -> None:
    rendered = with_values("pod.caBundle=company")
    (volume,) = (each for each in spec(rendered)["volumes"] if each["name"] == "ca-bundle")
    assert volume["configMap"]["name"] == "company"
    for container in rendered.containers().values():
        names = [each["name"] for each in container["env"]]
        assert {"GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"} <= set(names)
        assert "/etc/sdlc-runner-ca" in [each["mountPath"] for each in container["volumeMounts"]]


def test_sizes_and_patience_can_be_set() -> None:
    rendered = with_values("pod.volumes.workspace=50Gi", "pod.terminationGracePeriodSeconds=90")
    assert spec(rendered)["volumes"][0]["emptyDir"]["sizeLimit"] == "50Gi"
    assert spec(rendered)["terminationGracePeriodSeconds"] == 90


def test_quota_bounds_are_texts() -> None:
    rendered = with_values("resourceQuota.enabled=true", "resourceQuota.hard.pods=7")
    assert rendered.one("ResourceQuota")["spec"]["hard"]["pods"] == "7"


def test_helm_test_connects_to_what_is_named() -> None:
    arguments = with_values("test.connect={git.example.com:443}").one("Pod")["spec"]["containers"][
        0
    ]["args"]
    assert arguments[1:] == ["shut", "git.example.com:443"]
    compile(arguments[0], "check.py", "exec")
    off = with_values("networkPolicy.enabled=false").one("Pod")
    assert off["spec"]["containers"][0]["args"][1:] == ["open"]


def test_a_service_account_can_be_ones_own() -> None:
    rendered = with_values("serviceAccount.name=mine", "serviceAccount.annotations.role=arn")
    account = rendered.one("ServiceAccount")
    assert account["metadata"]["name"] == spec(rendered)["serviceAccountName"] == "mine"
    assert account["metadata"]["annotations"] == {"role": "arn"}
    assert account["automountServiceAccountToken"] is False
    given_one = with_values("serviceAccount.create=false", "serviceAccount.name=theirs")
    assert spec(given_one)["serviceAccountName"] == "theirs"
