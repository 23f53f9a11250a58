"""What the verbs do: each module one concern, on a ``Project`` and an ``Output``."""
