"""Waiting: never so long that a signal goes unseen."""

from __future__ import annotations

import threading

import pytest

from elkcli.environment import Environment, sleep, waited


def test_a_wait_ends_with_what_is_waited_for_or_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elkcli.environment.NAP", 0.01)
    event = threading.Event()
    assert not waited(event.wait, 0.05)
    assert not waited(event.wait, -1)
    threading.Timer(0.05, event.set).start()
    assert waited(event.wait, 10)
    assert waited(event.wait, 0)


def test_sleep_is_a_row_of_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("time.sleep", naps.append)
    sleep(1.25)
    assert naps == [0.5, 0.5, 0.25]


def test_the_real_world_sleeps_in_naps() -> None:
    assert Environment.real().sleep is sleep
