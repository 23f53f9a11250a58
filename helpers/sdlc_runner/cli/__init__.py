"""The command line: the command table, the parser, and the way from an error to an exit code."""
