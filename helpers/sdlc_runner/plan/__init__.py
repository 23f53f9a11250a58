"""Planning: who waits for whom, what may run together, and why the rest may not."""
