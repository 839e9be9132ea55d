"""Streams, exit codes and signals: elkcli among other programs."""
