"""Addresses of stores and databases: masking of passwords, and a connection test with a timeout."""

import os
import re
from threading import Thread
from typing import Any

from sqlalchemy import NullPool, create_engine

PATIENCE_S = 5  # within which a store must answer its first request
STORAGE = "FINCOMPRESS_STORAGE"  # the variable with the address, and password, of Optuna's storage
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
# What follows a host may be a port and a path, and what follows an address in a sentence a colon,
# or words with an e-mail address, after which comes neither a path nor a port.
_USER = re.compile(
    r"""
    (://[^/:@\s]*):
    (?!\s)
    (?!\d+ (?:[/?\#][^@\s]*)? (?=[\s:.,;)'"]|$) (?![^@\s]+@)
       (?![ ][^@\s]*@) (?!(?:(?!://)[^@])*@[^@/:\s]+(?:/|:\d)))
    [^@]*@(?:[^/@\s]*@)*
    """,
    re.VERBOSE,
)
# A server's access token may stand where a user does.
_TOKEN = re.compile(r"(https?://)[^/:@\s]+(?=:?@)", re.IGNORECASE)
_QUERY = re.compile(
    r"([?&][^=&#\s]*(?:password|passwd|pwd|token|secret|api_?key|access_?key)[^=&#\s]*=)"
    r"[^&#\s]*?(?=[.,:;)'\"]?(?:[&#\s]|$))",
    re.IGNORECASE,
)
_DRIVER = re.compile(r"^\(\w+\.\w+\) ")  # (sqlite3.OperationalError)


def storage_address(asked: str) -> str:
    """Return the address of Optuna's storage.

    It is `asked` if not empty, or else the variable `FINCOMPRESS_STORAGE`, or else a SQLite file in
    the current folder.
    """
    return asked or os.environ.get(STORAGE) or "sqlite:///optuna.db"


def masked(text: str) -> str:
    """Return `text` with `***` in place of the passwords of all addresses in it.

    A password stands before the host (`user:password@host`, or `token@host` of a web server) or is
    a value of the query (`?password=`, `?token=`).
    """
    return _QUERY.sub(r"\1***", _USER.sub(r"\1:***@", _TOKEN.sub(r"\1***", text)))


def has_password(address: str) -> bool:
    """Whether `masked` finds a password or token in `address`."""
    return masked(address) != address


def reason(error: BaseException) -> str:
    """Return an error's message in one line, without passwords and SQLAlchemy's additions."""
    text = " ".join(str(error).split())
    text = text.partition(" [SQL: ")[0].partition(" (Background on")[0]
    return masked(_DRIVER.sub("", text))


def backend(address: str) -> str:
    """Return the kind of store: `postgresql` for `postgresql+psycopg://...`, `http` for `http://...`."""
    return address.partition(":")[0].partition("+")[0]


def connect_args(database: str) -> dict[str, Any]:
    """Return SQLAlchemy's connection arguments for a database: its timeout in seconds."""
    patience = {"sqlite": {"timeout": 60}, "postgresql": {"connect_timeout": 10}}
    return patience.get(backend(database), {})


def probe(database: str) -> None:
    """Test that a database can be connected to (and, in SQLite, written to) within `PATIENCE_S`.

    Raises the driver's error, or `TimeoutError`. Without this test MLflow would retry in silence
    for minutes. A SQLite file has no such limit, because another process may be writing to it.
    """
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            _connect(database)
        except Exception as error:
            failures.append(error)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    # Another process may be writing to a SQLite file, which is no reason to give up.
    thread.join(None if backend(database) == "sqlite" else PATIENCE_S)
    if thread.is_alive():
        raise TimeoutError(f"no answer within {PATIENCE_S} s")
    if failures:
        raise failures[0]


def _connect(database: str) -> None:
    engine = create_engine(database, poolclass=NullPool, connect_args=connect_args(database))
    with engine.connect() as connection:
        if backend(database) == "sqlite":  # which may be a file that cannot be written to
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.rollback()
