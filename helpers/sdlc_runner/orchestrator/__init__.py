"""From a plan to merged work: waves, starts, following, merging, and the registry of attempts."""
