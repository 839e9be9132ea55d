"""The command line: parse, assemble, run. Typer lives here."""
