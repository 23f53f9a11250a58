import json, pytest
from pathlib import Path
from cluster.pod_template import Form
from model_server import Rule, calls, says, shell
pytestmark=[pytest.mark.cluster]
A=Path("/work/main/tests/cluster/agents")
def run(name,*a):
    return shell(f"python3 - {' '.join(a)} <<'END'\n{(A/name).read_text()}\nEND\n", timeout=100000)
STEPS=["configure","links","names","odd_files","repositories","race","git_link","git_file","root"]
import os
if os.environ.get("STEPS"): STEPS=os.environ["STEPS"].split()
SIZE=os.environ.get("SIZE","100000000")
def test_x(rig):
    rig.tasks("".join(f"- [ ] T{n:03} [ASYNC] Do {s} in `a.txt`\n" for n,s in enumerate(STEPS,1)))
    rig.template(Form.TWO); rig.use_opencode()
    rig.model.rules(*(Rule(f"Implement task T{n:03} ",(calls(run("plant.py",s,SIZE)),says("done"))) for n,s in enumerate(STEPS,1)))
    r=rig.run("run","--detail","full")
    for e in r.events:
        if e["type"] not in("tool","usage","message"): print(e["time"],str(e)[60:1500])
    for x in rig.model.requests():
        if x.results: print("RESULT",x.prompt[:60].replace("\n"," "),x.results)
    print(rig.remote_refs())
    print(rig.git("log","--name-status","--format=%n%h %s","main..sdlc-runner/001-demo/T001-1",cwd=rig.remote))
    assert 0
