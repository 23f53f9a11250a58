"""Events: their types, their wire format, and reading them from a hostile log."""
