"""Store errors: which errors every other variant or trial would meet too, and how to show them."""

import errno

import mlflow
from sqlalchemy.exc import SQLAlchemyError

from fincompress.config import UserError
from fincompress.tracking.addresses import reason

# What a store raises: MLflow wraps most of its database's errors, and not a full disk.
STORE_ERRORS = (mlflow.MlflowException, SQLAlchemyError)
# No `errno` at all: whoever writes or sends the files has errors of its own.
NO_ROOM = (None, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE)


def would_repeat(error: Exception, stores: tuple[type[Exception], ...] = STORE_ERRORS) -> bool:
    """Whether `error` comes from the store or the disk, so that every other variant would meet it.

    `stores` are the error types that the stores in use raise.
    """
    return isinstance(error, stores) or (isinstance(error, OSError) and error.errno in NO_ROOM)


def told(error: Exception) -> str:
    """Return one line of what went wrong; an error that is no `UserError` is named by its type."""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return kind + reason(error)
