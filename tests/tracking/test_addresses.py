"""Passwords in addresses, and stores and databases that give no sign of life."""

import os
import socket
import time
from collections.abc import Iterator

import mlflow
import pytest

from fincompress.tracking import addresses, store
from fincompress.tracking.addresses import has_password, masked, probe, reason
from fincompress.tracking.store import open_store
from fincompress.tuning import trial_queue
from tests.support.projects import Project, refusal

MASKED = [
    ("postgresql://me:secret@host:5432/db", "postgresql://me:***@host:5432/db"),
    ("postgresql://me:secret@with@signs@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:sec/ret and more@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:12345@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:5432:x@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:12/3@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:12?3 4@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:5432: x@host/db", "postgresql://me:***@host/db"),
    ("postgresql://me:1 or more@host:5432", "postgresql://me:***@host:5432"),
    ("mysql://me:1 2@host", "mysql://me:***@host"),
    ("http://:secret@host", "http://:***@host"),
    ("store HTTPS://token@host/: no answer", "store HTTPS://***@host/: no answer"),
    ("http://token:@host", "http://***:***@host"),
    ("postgresql://host/db?user=me&password=secret", "postgresql://host/db?user=me&password=***"),
    ("http://host/?access_token=secret&x=1#y", "http://host/?access_token=***&x=1#y"),
    ("postgresql://host/db?sslPassword=secret", "postgresql://host/db?sslPassword=***"),
    (
        "store http://me:secret@host: API request to http://me:secret@host/api failed",
        "store http://me:***@host: API request to http://me:***@host/api failed",
    ),
    (
        "postgresql://host/x?password=secret: no answer",
        "postgresql://host/x?password=***: no answer",
    ),
]
HARMLESS = [
    "sqlite:///optuna.db",
    "postgresql://me@host:5432/db?sslmode=require&sslkey=/etc/key",
    "store http://host:5000: role me@host does not exist",
    "http://host:5000/path",
    "postgresql://host:5432/db",
    "http://host:5000/path: text, and me@host.org",
    "postgresql://host:5432/db is down. Write to me@host.org: soon",
    "http://host:5000, or me@host.org",
    "at http://host:5000\n@decorated",
    "http://host/path or me@host.org/",
    "models:/fincompress-cpu@champion does not load: http://host: no version @champion",
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), MASKED)
def test_passwords_are_masked_in_addresses_and_in_sentences(text: str, shown: str) -> None:
    assert has_password(text)
    assert masked(text) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_holds_no_password_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_reason_is_one_line_without_statement_or_password() -> None:
    error = ValueError("no\n  answer from http://a:b@c [SQL: SELECT 1]")
    assert reason(error) == "no answer from http://a:***@c"


def test_the_storage_is_what_is_asked_for_then_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(addresses.STORAGE, raising=False)
    assert addresses.storage_address("") == "sqlite:///optuna.db"
    monkeypatch.setenv(addresses.STORAGE, "postgresql://me:secret@host/db")
    assert addresses.storage_address("") == "postgresql://me:secret@host/db"
    assert addresses.storage_address("sqlite:///mine.db") == "sqlite:///mine.db"


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed(silent: int) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ask(project: Project, monkeypatch: pytest.MonkeyPatch, uri: str) -> str:
    """Open the store at `uri` and return the refusal, which must come within seconds."""
    mlflow.set_tracking_uri(uri)
    began = time.monotonic()
    said = refusal(open_store)
    assert time.monotonic() - began < addresses.PATIENCE_S + 3
    assert "secret" not in said and "\n" not in said
    return said


def test_a_store_that_refuses_is_one_message_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, closed: int
) -> None:
    said = ask(project, monkeypatch, f"http://me:secret@127.0.0.1:{closed}")
    assert said == (
        f"MLflow store http://127.0.0.1:{closed}: does not answer: "
        "[Errno 111] Connection refused"
    )  # fmt: skip
    said = ask(project, monkeypatch, f"postgresql://me:secret@127.0.0.1:{closed}/x")
    assert said.startswith(f"MLflow store postgresql://me:***@127.0.0.1:{closed}/x: ")
    assert "Connection refused" in said


@pytest.mark.slow
def test_a_store_that_says_nothing_is_one_message_within_seconds(
    project: Project, monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    assert ask(project, monkeypatch, f"http://127.0.0.1:{silent}/").endswith(
        f"http://127.0.0.1:{silent}: does not answer: Read timed out. (read timeout=5)"
    )
    address = f"postgresql://127.0.0.1:{silent}/x?password=secret"
    assert ask(project, monkeypatch, address).endswith("password=***: no answer within 5 s")
    said = refusal(lambda: trial_queue.open_storage(address))
    assert said.endswith("password=***: does not answer: no answer within 5 s")


def test_only_the_first_request_is_impatient(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    seen: dict[str, str] = {}

    class Client:
        def search_experiments(self, max_results: int) -> None:
            seen.update(os.environ)

    monkeypatch.setattr(mlflow, "MlflowClient", Client)
    store._probe("http://somewhere")
    assert seen["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "5"
    assert seen["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_servers_password_goes_where_mlflow_does_not_show_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "before")
    mlflow.set_tracking_uri("https://me:se%40cret@host:443/path/")
    assert store._settle_uri() == mlflow.get_tracking_uri() == "https://host:443/path"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "se@cret"


def test_a_sqlite_file_that_cannot_be_written_to_is_refused(project: Project) -> None:
    with pytest.raises(Exception, match="unable to open database file"):
        probe(f"sqlite:///{project.folder}/nowhere/x.db")
