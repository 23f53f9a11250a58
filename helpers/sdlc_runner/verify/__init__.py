"""How an attempt ended: the evidence on the git remote, and the table that decides."""
