"""The agent in another container: OpenCode's server, whose every answer is hostile text."""
