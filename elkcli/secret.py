"""The token as a value that cannot slip out: printing, formatting or logging it shows its last four characters."""

from __future__ import annotations

from elkcli.errors import ConfigError


class Token:
    """A bearer token. Only ``reveal`` gives the words themselves, and only the Authorization header asks."""

    __slots__ = ("_words",)

    def __init__(self, words: str) -> None:
        words = words.strip()
        if words[:7].lower() == "bearer ":
            words = words[7:].strip()
        if not words:
            raise ConfigError("the token is empty", hint="elkcli config set token")
        if not words.isascii() or any(not 32 < ord(char) < 127 for char in words):
            raise ConfigError("the token holds spaces, control characters or letters no token has")
        self._words = words

    def reveal(self) -> str:
        """The token itself."""
        return self._words

    @property
    def masked(self) -> str:
        """``sk-…last4``."""
        if len(self._words) < 12:
            return "…"
        return f"{'sk-' if self._words.startswith('sk-') else ''}…{self._words[-4:]}"

    def hide(self, text: str) -> str:
        """``text`` without the token, should a server or a library have put it there."""
        return text.replace(self._words, self.masked) if len(self._words) >= 4 else text

    def __repr__(self) -> str:
        return f"Token({self.masked})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)
