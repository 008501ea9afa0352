"""Progress of rows: lines in a file that say how much is done, how fast, and what is left."""

import re

import pytest

from fincompress.machine import progress
from fincompress.machine.progress import RowProgress


def test_a_file_gets_lines_and_not_too_many(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 10.0, 40.0, 50.0, 100.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    shown = RowProgress(0.0)
    shown.add(1000, 0.1)  # after 10 s, which is too early
    shown.add(3000, 0.4)
    shown.add(1000, 0.5)
    shown.add(4000, 0.8)
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "40%, 4,000 rows, 100/s, 01:00 left",
        "80%, 9,000 rows, 90/s, 00:25 left",
    ]


def test_what_was_done_before_does_not_count_for_the_speed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 100.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    RowProgress(0.5).add(1000, 0.75)
    assert capsys.readouterr().err == "75%, 1,000 rows, 10/s, 01:40 left\n"


def test_without_a_length_there_is_no_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "LINE_SECONDS", 0)
        RowProgress(None).add(5, None)
    assert re.fullmatch(r"5 rows, [\d,]+/s\n", capsys.readouterr().err)
