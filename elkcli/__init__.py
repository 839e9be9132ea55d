"""elkcli: a command-line chat tool for ElkAPI."""

__version__ = "0.1.0"
