"""Measurements of the installed command beside floors and peers: ``python -m tests.bench``."""
