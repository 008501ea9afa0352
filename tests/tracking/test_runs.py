"""Runs of MLflow: ended whatever happens, in the status that says how."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest

from fincompress.signals import Terminated, held_back, raise_when_terminated
from fincompress.tracking.runs import step
from tests.support.runs import runs


@pytest.fixture
def signals_raise(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("fincompress.signals._received", threading.Event())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    raise_when_terminated()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores it
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def then_sigterm(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, and SIGTERM before its result is handed over."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGTERM)
        return result

    return interrupted


@pytest.mark.usefixtures("project", "signals_raise")
@pytest.mark.parametrize(("name", "statuses"), [
    ("start_run", {"outer": "KILLED"}),
    ("end_run", {"outer": "KILLED", "inner": "FINISHED"}),
])  # fmt: skip
def test_sigterm_while_a_run_is_opened_or_ended_leaves_none_open(
    monkeypatch: pytest.MonkeyPatch, name: str, statuses: dict[str, str]
) -> None:
    mlflow.set_experiment("runs")  # the one of an earlier test is not in this store
    monkeypatch.setattr(mlflow, name, then_sigterm(getattr(mlflow, name)))
    with pytest.raises(Terminated), step("outer", {}), step("inner", {}):
        pass
    assert {run.info.run_name: run.info.status for run in runs()} == statuses


@pytest.mark.usefixtures("signals_raise")
def test_a_signal_that_is_held_back_strikes_at_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(Terminated), held_back():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
