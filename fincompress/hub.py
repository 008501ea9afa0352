"""The Hugging Face Hub: downloads models and data sets, or says why it cannot be reached."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from fincompress.config import UserError

_T = TypeVar("_T")


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


def latest_commit(repo: str) -> str:
    """Return the commit, 40 hex digits, that the main branch of a model on the hub is at.

    Raises `UserError` if the hub does not tell.
    """
    from huggingface_hub import HfApi

    return _reach(repo, lambda: str(HfApi().model_info(repo).sha))


def download_dataset(repo: str) -> tuple[list[dict[str, Any]], str]:
    """Return all rows of a data set, its splits in the order of their names, and its commit.

    Raises `UserError` if it cannot be fetched.
    """
    import datasets
    from huggingface_hub import HfApi

    revision = _reach(repo, lambda: str(HfApi().dataset_info(repo).sha))
    splits = _reach(repo, lambda: datasets.load_dataset(repo, revision=revision))
    return [row for name in sorted(splits) for row in splits[name]], revision


def _reach(repo: str, fetch: Callable[[], _T]) -> _T:
    """Return the result of `fetch`, from the client's cache if the hub cannot be reached."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:  # of any type that the client raises
        # Without a connection, every download would retry for half a minute, then use the cache.
        constants.HF_HUB_OFFLINE = True
    try:
        return fetch()
    except Exception as error:  # the hub's clients raise a dozen unrelated types
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{repo}: could not be fetched from the Hugging Face Hub ({reason[0]}); "
            "use local files (data_dir, or 'folder' for a base model), or a study that needs "
            "no hub: quickstart"
        ) from None
