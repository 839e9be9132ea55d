"""The pictures of the built-in demo: an elk in a landscape, told by the prompt, and the same again in another light."""

from __future__ import annotations

import hashlib
import random
import re
from functools import cache
from itertools import pairwise
from math import cos, pi, sin
from typing import Any, NamedTuple

from elkcli.api.demo_canvas import Canvas, Colour, Point, Shade, mix, smooth, stroke, words_in
from elkcli.media import dimensions, sniff

_SIDES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_TOKENS = {"512": 747, "1K": 1120, "2K": 1120, "4K": 2000}
_KEY, _TINT = "elkcli-demo", "elkcli-tint"


class Light(NamedTuple):
    """The colours of one time of day: sky from top to horizon, the sun or moon, the land near by."""

    name: str
    top: Colour
    middle: Colour
    horizon: Colour
    orb: Colour
    land: Colour
    stars: int


_LIGHTS = (
    Light("at dawn", (46, 42, 94), (196, 108, 134), (255, 206, 156), (255, 244, 214), (38, 30, 58), 20),
    Light("at night", (8, 13, 38), (24, 42, 92), (78, 112, 158), (240, 240, 222), (7, 12, 28), 260),
    Light("in the morning", (78, 154, 204), (158, 208, 226), (246, 240, 214), (255, 252, 232), (26, 62, 66), 0),
    Light("at sunset", (58, 26, 78), (206, 70, 76), (255, 170, 72), (255, 226, 132), (34, 14, 38), 30),
    Light("under northern lights", (6, 16, 40), (16, 84, 92), (96, 208, 160), (232, 250, 236), (5, 18, 30), 200),
    Light("in autumn", (92, 116, 142), (214, 176, 132), (250, 222, 172), (255, 246, 220), (66, 32, 22), 0),
)
_SAID = {
    "dawn": 0,
    "night": 1,
    "moon": 1,
    "star": 1,
    "morning": 2,
    "day": 2,
    "summer": 2,
    "sunset": 3,
    "evening": 3,
    "dusk": 3,
    "aurora": 4,
    "winter": 4,
    "autumn": 5,
    "fall": 5,
}
_TINTS: dict[str, Colour] = {
    "red": (230, 40, 44),
    "orange": (244, 132, 30),
    "yellow": (240, 214, 50),
    "gold": (226, 178, 54),
    "green": (52, 172, 72),
    "teal": (24, 160, 156),
    "cyan": (40, 196, 222),
    "blue": (46, 98, 232),
    "purple": (140, 68, 204),
    "violet": (140, 68, 204),
    "pink": (244, 116, 176),
    "brown": (140, 92, 54),
    "grey": (150, 150, 150),
    "gray": (150, 150, 150),
    "white": (236, 240, 246),
    "black": (40, 40, 46),
}


class Drawn(NamedTuple):
    """A picture, the words that come with it, and what it costs in tokens."""

    data: bytes
    said: str
    tokens: int


def draw(key: str, prompt: str, config: dict[str, Any], before: bytes | None) -> Drawn:
    """A picture for the prompt; with a picture from ``before``, that one in another light.

    Raises :class:`ValueError` for a shape or size that Google's models would refuse.
    """
    ratio, size = config.get("aspect_ratio"), config.get("image_size") or "1K"
    if not isinstance(size, str) or size not in _SIDES:
        raise ValueError(f"image_size must be one of {', '.join(_SIDES)}, not {size!r}")
    if ratio is None:
        width, height = 1024, 1024
        known = words_in(before) if before else {}
        if before and _KEY in known and max(dimensions(before)) in _SIDES.values():
            width, height = dimensions(before)
    else:
        width, height = _shape(ratio, _SIDES[size])
    tint = next((name for name in _TINTS if re.search(rf"\b{name}\b", prompt, re.I)), None)
    seed = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    said = f"Here is an elk {{light}}, {width}×{height}, from the **demo built into elkcli**."
    if before is not None:
        known = words_in(before)
        tint = tint or random.Random(seed).choice([name for name in _TINTS if name != known.get(_TINT)])  # noqa: S311
        if _KEY in known:
            seed = known[_KEY]
            said = f"Here is the same picture in {tint}, from the **demo built into elkcli**."
        else:
            kind = sniff(before)
            seed = hashlib.sha256(before).hexdigest()
            what = kind.mime if kind else "file"
            said = f"The **demo built into elkcli** cannot see your {what}, so it drew an elk in {tint} from its bytes."
    dice = random.Random(seed)  # noqa: S311 - variety, no secret
    light = dice.choice(_LIGHTS)
    if before is None and (word := re.search("|".join(_SAID), prompt, re.I)):
        light = _LIGHTS[_SAID[word[0].lower()]]
    light = next((one for one in _LIGHTS if one.name == words_in(before or b"").get("elkcli-light")), light)
    words = {_KEY: seed[:64], "elkcli-light": light.name, **({_TINT: tint} if tint else {}), "Software": "elkcli demo"}
    canvas = _scene(width, height, light, _TINTS.get(tint or ""), dice)
    return Drawn(canvas.png(words), said.format(light=light.name), _TOKENS[size])


def _shape(ratio: object, side: int) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,2}):(\d{1,2})", ratio) if isinstance(ratio, str) else None
    wide, high = (int(match[1]), int(match[2])) if match else (0, 0)
    if not wide or not high or not 1 / 8 <= wide / high <= 8:
        raise ValueError(f"aspect_ratio must be W:H between 1:8 and 8:1, not {ratio!r}")
    longest = max(wide, high)
    return round(side * wide / longest), round(side * high / longest)


# The scene, from the back to the front


def _scene(width: int, height: int, light: Light, tint: Colour | None, dice: random.Random) -> Canvas:
    top, middle, horizon, orb, land = (
        _toned(colour, tint) for colour in (light.top, light.middle, light.horizon, light.orb, light.land)
    )
    edge = 0.70

    @cache
    def sky(y: float) -> Colour:
        at = y / edge
        return mix(top, middle, at / 0.6) if at < 0.6 else mix(middle, horizon, (at - 0.6) / 0.4)

    canvas = Canvas(width, height, sky)
    aspect = canvas.aspect
    for _ in range(round(light.stars * max(1.0, aspect))):
        y = dice.random() ** 1.4 * edge
        bright = dice.uniform(0.25, 1.0) * (1 - y / edge)
        canvas.dot(
            dice.random() * aspect, y, mix(sky(y), (255, 255, 255), bright), max(1, round(height * bright / 480))
        )
    _glow(canvas, sky, orb, dice)
    for layer in range(4):
        near = layer / 3
        base = 0.50 + 0.11 * layer
        tone = mix(mix(horizon, middle, 0.35), land, 0.18 + 0.72 * near)
        misty = mix(tone, horizon, 0.45 * (1 - near))
        ridge = _ridge(dice, aspect, base, 0.17 - 0.035 * layer, 5 + 3 * layer)
        canvas.fill([(-0.05, 1.05), *ridge, (aspect + 0.05, 1.05)], _fading(tone, misty, base - 0.1, base + 0.22))
        if layer in {2, 3}:
            _trees(canvas, ridge, mix(tone, land, 0.55), 0.05 + 0.05 * (layer - 1), dice)
    hill = _hill(aspect, dice)
    canvas.fill([(-0.05, 1.05), *hill, (aspect + 0.05, 1.05)], mix(land, (0, 0, 0), 0.35))
    _elk(canvas, hill, mix(land, (0, 0, 0), 0.62), dice)
    return canvas


def _toned(colour: Colour, tint: Colour | None) -> Colour:
    if tint is None:
        return colour
    brightness = (0.30 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255
    dark, pale = mix((0, 0, 0), tint, brightness * 1.7), mix(tint, (255, 255, 255), (brightness - 0.55) * 1.6)
    return mix(colour, pale if brightness > 0.55 else dark, 0.78)


def _fading(above: Colour, below: Colour, top: float, bottom: float) -> Shade:
    return lambda y: mix(above, below, (y - top) / (bottom - top))


def _disc(x: float, y: float, radius: float) -> list[Point]:
    return [(x + radius * cos(pi * k / 48), y + radius * sin(pi * k / 48)) for k in range(96)]


def _glow(canvas: Canvas, sky: Shade, orb: Colour, dice: random.Random) -> None:
    x, y = canvas.aspect * dice.choice((0.24, 0.3, 0.68, 0.76)), dice.uniform(0.2, 0.42)
    radius = dice.uniform(0.06, 0.10) * min(1.0, canvas.aspect * 1.3)
    rings = 18
    for ring in range(rings, 0, -1):
        share = 0.42 * (1 - ring / (rings + 1)) ** 2.2
        canvas.fill(_disc(x, y, radius * (1 + ring * 0.12)), lambda at, share=share: mix(sky(at), orb, share))  # type: ignore[misc]
    canvas.fill(_disc(x, y, radius), _fading(orb, mix(orb, sky(y + radius), 0.35), y - radius, y + radius))


def _ridge(dice: random.Random, aspect: float, base: float, rise: float, peaks: int) -> list[Point]:
    """A line of hills from the left edge to the right: halved again and again, each time with a smaller jolt."""
    count = max(2, round(peaks * max(0.6, aspect) / 2))
    heights = [dice.uniform(-rise, rise * 0.4) for _ in range(count + 1)]
    jolt = rise * 0.45
    while len(heights) < 90 * max(1.0, aspect):
        finer = []
        for one, other in pairwise(heights):
            finer += [one, (one + other) / 2 + dice.uniform(-jolt, jolt)]
        heights = [*finer, heights[-1]]
        jolt *= 0.52
    last = len(heights) - 1
    return [(-0.05 + (aspect + 0.1) * at / last, base + rise) for at, rise in enumerate(heights)]


def _hill(aspect: float, dice: random.Random) -> list[Point]:
    tilt, swell = dice.uniform(-0.05, 0.05), dice.uniform(0.02, 0.05)
    steps = [(at / 60) for at in range(61)]
    return [(-0.05 + (aspect + 0.1) * t, 0.885 + tilt * (t - 0.5) - swell * sin(pi * t)) for t in steps]


def _trees(canvas: Canvas, ridge: list[Point], colour: Colour, size: float, dice: random.Random) -> None:
    for _ in range(round(26 * max(0.8, canvas.aspect))):
        x, y = ridge[dice.randrange(len(ridge))]
        x += dice.uniform(-0.02, 0.02)
        high = size * dice.uniform(0.6, 1.25)
        outline: list[Point] = [(x, y - high)]
        for tier in range(1, 4):
            down, wide = y - high + high * tier / 3, high * 0.075 * (tier + 0.6)
            outline += [(x + wide, down), (x + wide * 0.45, down)]
        outline += [(x + high * 0.025, y), (x + high * 0.025, y + 0.012), (x - high * 0.025, y + 0.012)]
        outline += [(2 * x - px, py) for px, py in outline[-2:0:-1]]
        canvas.fill(outline, colour)


# An elk, looking right, in a box of about one by one

_BODY: list[Point] = smooth(
    [
        *((0.085, 0.52), (0.12, 0.475), (0.25, 0.455), (0.42, 0.465), (0.52, 0.43), (0.60, 0.335), (0.65, 0.24)),
        *((0.672, 0.205), (0.635, 0.175), (0.615, 0.145), (0.65, 0.15), (0.69, 0.185), (0.722, 0.195), (0.775, 0.235)),
        *((0.818, 0.272), (0.812, 0.297), (0.775, 0.303), (0.735, 0.297), (0.716, 0.35), (0.702, 0.44), (0.682, 0.52)),
        *((0.648, 0.595), (0.618, 0.65), (0.61, 0.70), (0.612, 0.76), (0.602, 0.84), (0.602, 0.95), (0.618, 1.0)),
        *((0.572, 1.0), (0.576, 0.95), (0.578, 0.84), (0.574, 0.74), (0.556, 0.672), (0.50, 0.676), (0.40, 0.668)),
        *((0.30, 0.638), (0.268, 0.68), (0.240, 0.745), (0.222, 0.80), (0.236, 0.90), (0.238, 0.955), (0.256, 1.0)),
        *((0.208, 1.0), (0.210, 0.95), (0.202, 0.88), (0.184, 0.80), (0.176, 0.73), (0.13, 0.665), (0.09, 0.59)),
        *((0.066, 0.575), (0.072, 0.545)),
    ]
)
_FAR_LEGS: tuple[list[Point], ...] = (
    smooth(
        [
            (0.56, 0.60),
            (0.55, 0.72),
            (0.527, 0.80),
            (0.518, 0.95),
            (0.528, 1.0),
            (0.49, 1.0),
            (0.492, 0.95),
            (0.502, 0.79),
            (0.50, 0.70),
            (0.49, 0.62),
        ]
    ),
    smooth(
        [
            (0.32, 0.60),
            (0.315, 0.70),
            (0.290, 0.80),
            (0.300, 0.95),
            (0.316, 1.0),
            (0.270, 1.0),
            (0.272, 0.95),
            (0.258, 0.80),
            (0.27, 0.72),
            (0.24, 0.62),
        ]
    ),
)
_BEAM: list[Point] = [(0.678, 0.235), (0.664, 0.12), (0.612, 0.04), (0.545, -0.02), (0.482, -0.085), (0.455, -0.16)]
_TINES: tuple[list[Point], ...] = (
    [(0.676, 0.17), (0.715, 0.145), (0.752, 0.085)],
    [(0.664, 0.125), (0.708, 0.085), (0.738, 0.015)],
    [(0.630, 0.065), (0.672, 0.015), (0.690, -0.065)],
    [(0.580, 0.01), (0.612, -0.06), (0.612, -0.155)],
    [(0.520, -0.045), (0.545, -0.115), (0.538, -0.205)],
)


def _elk(canvas: Canvas, hill: list[Point], colour: Colour, dice: random.Random) -> None:
    aspect = canvas.aspect
    size = min(0.50, 0.62 * aspect) * dice.uniform(0.92, 1.08)
    left = dice.random() < 0.5
    centre = aspect * (dice.uniform(0.56, 0.66) if left else dice.uniform(0.34, 0.44))
    ground = min(hill, key=lambda point: abs(point[0] - centre))[1] + 0.012

    def place(points: list[Point], dx: float = 0.0, dy: float = 0.0) -> list[Point]:
        side = -1 if left else 1
        return [(centre + side * (x + dx - 0.42) * size, ground + (y + dy - 1.0) * size) for x, y in points]

    for leg in _FAR_LEGS:
        canvas.fill(place(leg), mix(colour, (0, 0, 0), 0.25))
    for dx, dy in ((0.035, -0.012), (0.0, 0.0)):  # the far antler, then the near one
        canvas.fill(place(stroke(smooth(_BEAM, closed=False), 0.026, 0.007), dx, dy), colour)
        for tine in _TINES[: dice.randint(4, 5)]:
            canvas.fill(place(stroke(smooth(tine, closed=False), 0.017, 0.003), dx, dy), colour)
    canvas.fill(place(_BODY), colour)
