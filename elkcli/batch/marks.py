"""A table of 64-bit numbers, each with a place, where a number may lie several times: some thirty bytes for each."""

from __future__ import annotations

from array import array

_GONE = (1 << 64) - 1


class Marks:
    """Numbers that were seen, and where. ``take`` finds one and removes it. Open addressing with linear probing."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._places = array("Q", bytes(8 * 1024))
        self._filled = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, place: int) -> None:
        """Put ``number`` in, once more if it is there."""
        if self._filled * 3 > len(self._slots) * 2:
            self._grow()
        self._put(_clean(number), place)
        self._filled += 1
        self._count += 1

    def take(self, number: int, place: int) -> int | None:
        """Remove ``number`` once and return where it was: ``place`` if it is there too, ``None`` if nowhere."""
        number = _clean(number)
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        found = None
        while slots[at]:
            if slots[at] == number:
                if self._places[at] == place:
                    found = at
                    break
                found = at if found is None else found
            at = (at + 1) & last
        if found is None:
            return None
        slots[found] = _GONE
        self._count -= 1
        return self._places[found]

    def _put(self, number: int, place: int) -> None:
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        while slots[at]:
            at = (at + 1) & last
        slots[at] = number
        self._places[at] = place

    def _grow(self) -> None:
        before, places = self._slots, self._places
        self._slots, self._places = (array("Q", bytes(16 * len(before))) for _ in range(2))
        self._filled = self._count
        for number, place in zip(before, places, strict=True):
            if number and number != _GONE:
                self._put(number, place)


def _clean(number: int) -> int:
    """``number`` as something that is neither an empty slot nor a removed one."""
    return number if 0 < number < _GONE else 1
