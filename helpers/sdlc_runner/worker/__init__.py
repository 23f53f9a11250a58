"""The worker: clone, prompt, run the agent, commit, push, report.

Standard library only, Python 3.10 or newer: the same files run in the image and on the local
backend. The two sides share nothing but the work tree:

    git_side    clone  commit  refs          has the credentials, runs nothing of the repository
    agent_side  prompt  opencode  agent      has the model key and the work tree
    served      server  turn                 the agent side when it is another container
    network     reach                        which hosts must answer before work begins
    (here)      journal  mask  attempt_run   events, secrets, the order of things; pod: who is who
"""
