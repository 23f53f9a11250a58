"""One attempt: its specification, its names, and how it exited."""
