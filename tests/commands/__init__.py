"""Each command, from its arguments to its output."""
