"""git: the one door to the program, the user's repository, and merging outside of it."""
