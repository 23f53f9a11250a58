"""Sets of flags that together switch every template on and off."""

from __future__ import annotations

from support.chart.rendering import CHART

_STORE = "externalSecret.enabled=true,externalSecret.secretStore.name=vault"

VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "single": ("--set=agent.form=single",),
    "bare": (
        "--set=serviceAccount.create=false,spawner.create=false,networkPolicy.enabled=false",
        "--set=test.enabled=false,uninstallGuard.enabled=false",
        "--set=secrets.server.existingSecret=mine",
    ),
    "secrets": (
        "--set=secrets.git.existingSecret=a,secrets.model.existingSecret=b",
        "--set=secrets.server.existingSecret=c",
    ),
    "external": (
        f"--set={_STORE},externalSecret.remoteRef.key=k,externalSecret.git.token.key=g",
        "--set=externalSecret.git.token.property=p,externalSecret.model.OPENAI_API_KEY.key=m",
    ),
    "bound": (
        "--set=spawner.users={ann},spawner.groups={devs}",
        '--set-json=spawner.serviceAccounts=[{"name":"ci"}]',
        "--set=resourceQuota.enabled=true,kueue.queueName=agents",
    ),
    "placed": (
        "--set=pod.nodeSelector.disk=fast,pod.priorityClassName=low,pod.runtimeClassName=gvisor",
        '--set-json=pod.tolerations=[{"key":"agents","operator":"Exists"}]',
        '--set-json=pod.affinity={"nodeAffinity":{}}',
        "--set=pod.image.pullSecrets={r},pod.labels.a=b,pod.annotations.a=b,commonLabels.a=b",
    ),
    "extras": (
        '--set-json=pod.extraVolumes=[{"name":"cache","emptyDir":{}}]',
        '--set-json=agent.extraVolumeMounts=[{"name":"cache","mountPath":"/cache"}]',
        '--set-json=runner.extraEnv=[{"name":"GIT_TRACE","value":"1"}]',
        "--set=pod.caBundle=company,opencode.model=anthropic/claude",
    ),
    "network": (
        '--set-json=networkPolicy.git=[{"cidr":"0.0.0.0/0","ports":[22]}]',
        '--set-json=networkPolicy.model=[{"podSelector":{},"ports":[8000]}]',
        '--set-json=networkPolicy.extra=[{"cidr":"::/0","ports":[443]}]',
    ),
    "proxy": (
        "--set=egressProxy.url=http://proxy:3128,egressProxy.noProxy={.svc}",
        '--set-json=networkPolicy.proxy=[{"cidr":"10.1.2.3/32","ports":[3128]}]',
        "--set=networkPolicy.git=null,networkPolicy.model=null",
    ),
    "proxy, single": (
        "--set=agent.form=single,egressProxy.url=https://proxy/,networkPolicy.enabled=false",
    ),
    "test cluster": (f"--values={CHART / 'ci/test-cluster-values.yaml'}",),
    "namespace": ("--set=namespace.create=true,namespace.name=elsewhere",),
}
