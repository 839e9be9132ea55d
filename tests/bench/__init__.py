"""Measurements: `python -m tests.bench`. Nothing here is a test, and nothing asserts a time."""
