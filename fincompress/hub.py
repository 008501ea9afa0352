"""The Hugging Face Hub: downloads models and data sets, uploads models, or says why it cannot."""

import errno
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from fincompress.config import UserError

CONNECT_TIMEOUT_S = 10
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a token from your settings on the hub"
_T = TypeVar("_T")


@dataclass(frozen=True)
class HubModel:
    """A model on the hub, at one commit.

    `repo`: its name, owner/name. `commit`: 40 hex digits. `private`: whether its owner alone sees
    it. `files`: the paths of its files.
    """

    repo: str
    commit: str
    private: bool
    files: frozenset[str]


def download(
    repo: str, file: str, *, kind: Literal["model", "dataset"] = "model", revision: str = "main"
) -> Path:
    """Download one `file` of a repository and return its path in the cache.

    Unless `revision` is a commit, the file may change: the caller has to check its hash. Raises
    `UserError` if the file cannot be fetched.
    """
    from huggingface_hub import hf_hub_download

    return Path(
        _reach(repo, lambda: hf_hub_download(repo, file, repo_type=kind, revision=revision))
    )


def download_model(repo: str, revision: str) -> Path:
    """Download the config, tokenizer and weights of a BERT checkpoint and return their folder.

    Raises `UserError` if they cannot be fetched.
    """
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "tokenizer*.json", "vocab.txt", "*.safetensors", "pytorch_model.bin"]
    return Path(
        _reach(repo, lambda: snapshot_download(repo, revision=revision, allow_patterns=wanted))
    )


def download_dataset(repo: str) -> tuple[list[dict[str, Any]], str]:
    """Return all rows of a data set, its splits in the order of their names, and its commit.

    Raises `UserError` if it cannot be fetched.
    """
    import datasets
    from huggingface_hub import HfApi

    revision = _reach(repo, lambda: str(HfApi().dataset_info(repo).sha))
    splits = _reach(repo, lambda: datasets.load_dataset(repo, revision=revision))
    return [row for name in sorted(splits) for row in splits[name]], revision


def check_repository_name(repo: str, option: str) -> None:
    """Raise `UserError`, which names the command's `option`, unless `repo` is owner/name."""
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise UserError(
            f"{option}: must be owner/name, as in 'me/my-model', with the owner's name on the hub, "
            f"not '{repo}'"
        )


def check_commit(commit: str, option: str) -> None:
    """Raise `UserError`, which names the command's `option`, unless `commit` is 40 hex digits."""
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise UserError(
            f"{option}: a commit must be 40 hex digits, not '{commit}'; without one, it is that of "
            "the main branch"
        )


def require_hub(writing: bool = False) -> None:
    """Raise `UserError` unless the hub answers and, for `writing`, there is a token.

    The client's progress bars are shown from now on in a terminal alone.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not sys.stderr.isatty():
        disable_progress_bars()
    with _explained("hub"):
        token = get_token()
    if writing and token is None:
        raise UserError(f"hub: whoever writes to it needs a token; {LOG_IN}")
    if why := _why_unreachable():
        raise UserError(
            f"hub: {constants.ENDPOINT} does not answer ({why}); look to the network, and to "
            "HF_ENDPOINT and HF_HUB_OFFLINE if they are set"
        )


def find_model(repo: str, revision: str = "main") -> HubModel:
    """Return a model at the commit that `revision` is at now.

    Raises `UserError` if there is no such model or commit, or the hub does not show it.
    """
    from huggingface_hub import HfApi

    with _explained(repo):
        info = HfApi().model_info(repo, revision=revision, timeout=CONNECT_TIMEOUT_S)
        files = frozenset(file.rfilename for file in info.siblings or ())
        return HubModel(repo, str(info.sha), bool(info.private), files)


def model_exists(repo: str) -> bool:
    """Return whether the hub shows a model of that name; raise `UserError` if it does not tell."""
    from huggingface_hub import HfApi

    with _explained(repo):
        return bool(HfApi().repo_exists(repo))


def create_model(repo: str, private: bool) -> None:
    """Create an empty model on the hub; raise `UserError` if it does not permit it."""
    from huggingface_hub import HfApi

    with _explained(repo):
        HfApi().create_repo(repo, private=private)


def download_files(model: HubModel, files: Iterable[str], folder: Path) -> None:
    """Download `files` of a model into a folder, which gets nothing else.

    They are those of the model's commit. Raises `UserError` if one cannot be fetched.
    """
    from huggingface_hub import hf_hub_download

    with _explained(model.repo):
        for file in files:
            hf_hub_download(model.repo, file, revision=model.commit, local_dir=folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # what the client notes of the files


def upload_folder(model: HubModel, folder: Path, deleted: Collection[str], message: str) -> str:
    """Upload all files of a folder, and delete `deleted`, in one commit, and return it.

    It follows the commit of `model`, and is that one if nothing changes. Raises `UserError`, and
    commits nothing, if the hub does not take it.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in paths),
        *(CommitOperationDelete(file) for file in deleted),
    ]
    with _explained(model.repo), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the card's metadata, where the hub would like more
        # The client's `upload_folder` may make several commits.
        done = HfApi().create_commit(
            model.repo, operations, commit_message=message, parent_commit=model.commit
        )
        return str(done.oid)


@contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Raise `UserError`, with what to do, for whatever the hub's client raises in the context."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except Exception as error:  # of a dozen unrelated types
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            raise
        status = _status(error)
        if isinstance(error, GatedRepoError):
            why = "its owner has to grant access first, on its page on the hub"
        elif isinstance(error, RepositoryNotFoundError):
            why = f"the hub shows no such model; check the name, and if it is private, {LOG_IN}"
        elif isinstance(error, RevisionNotFoundError):
            why = "it has no such commit; without one, it is that of the main branch"
        elif status == 412:
            why = "somebody has changed it since this push began; push again"
        elif status == 401:
            why = f"the hub does not know the token (401); {LOG_IN}"
        elif status == 403:
            why = (
                f"the hub does not permit it (403): {_first_line(error)}; the token must be one "
                "that may write, and the owner you or an organization of yours"
            )
        else:
            why = f"the hub's answer: {_first_line(error)}"
        raise UserError(f"{repo}: {why}") from None


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that an error, or what it was raised from, is about."""
    while error is not None:
        if (response := getattr(error, "response", None)) is not None:
            return int(response.status_code)
        error = error.__cause__
    return None


def _why_unreachable() -> str:
    """Why the hub cannot be reached; '' if it answers."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=CONNECT_TIMEOUT_S)
    except Exception as error:  # of any type that the client raises
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    said = getattr(error, "server_message", None) or str(error)
    return next(iter(said.strip().splitlines()), type(error).__name__)


def _reach(repo: str, fetch: Callable[[], _T]) -> _T:
    """Return the result of `fetch`, from the client's cache if the hub cannot be reached."""
    from huggingface_hub import constants

    if _why_unreachable():
        # Without a connection, every download would retry for half a minute, then use the cache.
        constants.HF_HUB_OFFLINE = True
    try:
        return fetch()
    except Exception as error:  # the hub's clients raise a dozen unrelated types
        raise UserError(
            f"{repo}: could not be fetched from the Hugging Face Hub ({_first_line(error)}); "
            "use local files (data_dir, or 'folder' for a base model), or a study that needs "
            "no hub: quickstart"
        ) from None
