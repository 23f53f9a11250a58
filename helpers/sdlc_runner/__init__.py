"""Runs the [ASYNC] tasks of a spec-kit feature with agents, and believes only the git remote.

The modules, in the order in which a task passes through them:

    reading                                 find the feature, read tasks.md, tick a box
    planning                                what waits for what; what may run together
    attempt, naming                         one attempt as a record; its names
    backends                                where it runs (local: processes on this machine)
    worker                                 what runs there: clone, agent, commit, push
    events, wire, follow, cursor            what it says, read exactly once
    remote, outcome                         what the git remote shows; how it ended
    merge, protected                        work goes into the feature branch
    operations                              the verbs, made of all this
    arguments, cli, output, render          the command line and what it prints
    config, consent, project, repo, git,    settings and surroundings; the doors to git and
      process                               to other programs
"""

__version__ = "0.2.0"
