"""The side with the model key and the work tree: what the agent is told, and when it must end."""
