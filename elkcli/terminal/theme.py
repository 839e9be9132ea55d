"""Colours and weights: what each kind of text looks like, on dark and on light, as SGR parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rich.color import ColorSystem
from rich.style import Style

# ``auto`` uses the terminal's own sixteen colours, which its owner has made readable on its background, and of them
# not white, black and yellow, which are not readable on every one.
_AUTO = {
    "text": "",
    "strong": "bold",
    "emphasis": "italic",
    "struck": "strike dim",
    "code": "cyan",
    "math": "magenta",
    "link": "underline",
    "target": "dim",
    "image": "magenta",
    "heading1": "bold underline magenta",
    "heading2": "bold magenta",
    "heading3": "bold italic",
    "heading4": "italic underline",
    "marker": "bright_blue",
    "done": "green",
    "frame": "dim",
    "quote": "italic",
    "label": "dim italic",
    "header": "bold",
    "thought": "dim",
    "comment": "dim italic",
    "keyword": "magenta",
    "string": "green",
    "number": "cyan",
    "name": "bright_blue",
    "builtin": "cyan",
    "inserted": "green",
    "deleted": "red",
    "title": "bold",
}
_DARK = _AUTO | {
    "code": "#7dcfff",
    "math": "#d2a8ff",
    "link": "underline #79c0ff",
    "target": "#8b949e",
    "image": "#d2a8ff",
    "heading1": "bold underline #e6edf3",
    "heading2": "bold #e6edf3",
    "marker": "#79c0ff",
    "done": "#7ee787",
    "frame": "#6e7681",
    "label": "italic #8b949e",
    "comment": "italic #8b949e",
    "keyword": "#ff7b72",
    "string": "#a5d6ff",
    "number": "#79c0ff",
    "name": "#d2a8ff",
    "builtin": "#ffa657",
    "inserted": "#7ee787",
    "deleted": "#ffa198",
}
_LIGHT = _AUTO | {
    "heading1": "bold underline #24292f",
    "heading2": "bold #24292f",
    "code": "#0550ae",
    "math": "#8250df",
    "link": "underline #0969da",
    "target": "#57606a",
    "image": "#8250df",
    "marker": "#0969da",
    "done": "#116329",
    "frame": "#8c959f",
    "label": "italic #57606a",
    "comment": "italic #57606a",
    "keyword": "#cf222e",
    "string": "#0a3069",
    "number": "#0550ae",
    "name": "#6639ba",
    "builtin": "#953800",
    "inserted": "#116329",
    "deleted": "#82071e",
}
_THEMES: Mapping[str, Mapping[str, str]] = {"auto": _AUTO, "dark": _DARK, "light": _LIGHT}
_SGR = re.compile(r"\x1b\[([0-9;]*)mx")


class Theme:
    """Writes text in the look of its kind. ``look`` is ``color``, ``plain`` (weights without colour) or ``none``."""

    def __init__(self, name: str, look: str, variables: Mapping[str, str]) -> None:
        self.links = look != "none" and shows_links(variables)
        self.bare = look == "none"
        self._codes = {
            kind: _parameters(spec, look, _color_system(variables)) for kind, spec in _THEMES.get(name, _AUTO).items()
        }
        self._known: dict[tuple[str, ...], str] = {}

    def codes(self, styles: tuple[str, ...]) -> str:
        """The SGR parameters of several looks, the innermost last."""
        known = self._known.get(styles)
        if known is None:
            known = ";".join(filter(None, (self._codes[style] for style in styles)))
            self._known[styles] = known
        return known

    def paint(self, text: str, *styles: str, link: str = "") -> str:
        """``text`` in these looks, back to normal after it."""
        if codes := self.codes(styles):
            text = f"\x1b[{codes}m{text}\x1b[0m"
        if link and self.links:
            text = f"\x1b]8;;{link}\x1b\\{text}\x1b]8;;\x1b\\"
        return text


def shows_links(variables: Mapping[str, str]) -> bool:
    """Whether the terminal is known to make hyperlinks of OSC 8."""
    if "TMUX" in variables or variables.get("TERM", "").startswith(("screen", "tmux")):
        return False
    return (
        variables.get("TERM_PROGRAM", "") in {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio", "Tabby"}
        or variables.get("TERM", "") in {"xterm-kitty", "xterm-ghostty", "foot", "foot-extra", "alacritty", "wezterm"}
        or any(name in variables for name in ("WT_SESSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "DOMTERM"))
        or (variables.get("VTE_VERSION", "").isdigit() and int(variables["VTE_VERSION"]) >= 5000)
    )


def _color_system(variables: Mapping[str, str]) -> ColorSystem:
    if variables.get("COLORTERM", "").lower() in {"truecolor", "24bit"}:
        return ColorSystem.TRUECOLOR
    term = variables.get("TERM", "")
    if "256" in term or "kitty" in term or "ghostty" in term or "alacritty" in term:
        return ColorSystem.EIGHT_BIT
    return ColorSystem.STANDARD


def _parameters(spec: str, look: str, system: ColorSystem) -> str:
    if look == "none" or not spec:
        return ""
    style = Style.parse(spec)
    if look == "plain":
        style = style.without_color
    found = _SGR.match(style.render("x", color_system=system))
    return found[1] if found else ""
