"""What the system lets us have."""

from __future__ import annotations

import resource

import pytest

from router import limits


@pytest.mark.fault("T-37")
@pytest.mark.parametrize(
    ("soft", "hard", "set_to", "told"),
    [(4096, 8192, None, ""), (256, 8192, 1500, ""), (256, 1024, 1024, "may have 1024 files"), (-1, -1, None, "")],
)
def test_room_is_made_or_missed(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, set_to: int | None, told: str) -> None:
    """The soft limit is raised as far as the hard one lets us; where that is too little, the operator is told what to do."""
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: made.append(both))
    sentence = limits.open_files(1500)
    assert made == ([(set_to, hard)] if set_to else [])
    assert told in sentence
    assert bool(told) == ("LimitNOFILE=1500" in sentence)


def test_a_system_that_refuses_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some do not let a process raise its own limit at all."""

    def refuses(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 8192))
    monkeypatch.setattr(resource, "setrlimit", refuses)
    assert "may have 256 files" in limits.open_files(1500)
