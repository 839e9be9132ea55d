"""Frozen values with named members, as cheap to define as a plain class.

``dataclass`` writes and compiles four functions for each class, 0.7 ms a class, at every start of a short run; here all
classes share one of each. To type checkers they are frozen dataclasses (PEP 681).
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform

_V = TypeVar("_V", bound="Value")


@dataclass_transform(frozen_default=True)
class Value:
    """Members are what the class annotates, in that order; a value on the class is a member's default.

    Two values are equal if they are of one class and all members are equal. Nothing can be set afterwards. A default
    is shared by all, so a mutable one must never be changed.
    """

    _members: ClassVar[tuple[str, ...]] = ()
    _required: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        cls._members = tuple(cls.__annotations__)
        setattr(cls, "__match_args__", cls._members)  # noqa: B010 - type checkers hold it to be theirs
        cls._required = tuple(name for name in cls._members if name not in cls.__dict__)

    def __init__(self, *given: Any, **named: Any) -> None:
        members = self.__dict__
        members.update(zip(self._members, given, strict=False))
        if named:
            twice = [name for name in named if name in members or name not in self._members]
            if twice:
                raise TypeError(f"{type(self).__name__} takes no {', '.join(twice)}, or has it already")
            members.update(named)
        if len(given) > len(self._members):
            raise TypeError(f"{type(self).__name__} takes {len(self._members)} members, not {len(given)}")
        for name in self._required:
            if name not in members:
                raise TypeError(f"{type(self).__name__} needs {name}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._members)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self._members)))

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._members)
        return f"{type(self).__name__}({members})"


def changed(value: _V, **members: Any) -> _V:
    """``value`` with some members changed."""
    return type(value)(**{**{name: getattr(value, name) for name in value._members}, **members})
