"""The keyboard: reading lines and doing them. prompt_toolkit lives here."""
