"""The side with the git credentials: takes the agent's work tree, runs nothing that is in it."""
