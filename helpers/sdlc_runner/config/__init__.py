"""Settings: the table, the sources they are read from, and the user's consent."""
