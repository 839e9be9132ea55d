"""The server misbehaves in every way it is known to, and elkcli tells the truth about it."""
