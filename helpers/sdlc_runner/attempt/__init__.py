"""One attempt: what it is told, what it is called, and how it exited."""
