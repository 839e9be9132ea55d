"""A set of 64-bit numbers that may hold one several times, in sixteen bytes or so each: a million lines stay small."""

from __future__ import annotations

from array import array

_GONE = (1 << 64) - 1


class Marks:
    """Numbers that were seen. ``take`` finds one and removes it. Open addressing with linear probing."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._filled = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, number: int) -> None:
        """Put ``number`` in, once more if it is there."""
        if self._filled * 3 > len(self._slots) * 2:
            self._grow()
        self._put(_clean(number))
        self._filled += 1
        self._count += 1

    def take(self, number: int) -> bool:
        """Remove ``number`` once; whether it was there."""
        number = _clean(number)
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        while slots[at]:
            if slots[at] == number:
                slots[at] = _GONE
                self._count -= 1
                return True
            at = (at + 1) & last
        return False

    def _put(self, number: int) -> None:
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        while slots[at]:
            at = (at + 1) & last
        slots[at] = number

    def _grow(self) -> None:
        before = self._slots
        self._slots = array("Q", bytes(16 * len(before)))
        self._filled = self._count
        for number in before:
            if number and number != _GONE:
                self._put(number)


def _clean(number: int) -> int:
    """``number`` as something that is neither an empty slot nor a removed one."""
    return number if 0 < number < _GONE else 1
