"""Planning: what waits for what, what may run together, and why the rest may not."""
