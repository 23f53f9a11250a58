"""Reading a feature: where it is, what its tasks.md says, and changing one box in it."""
