"""A name on the Hugging Face Hub becomes local files; a hub out of reach is one clear message."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

from fincompress.config import UserError

_T = TypeVar("_T")


def download(
    repo: str, file: str, *, kind: Literal["model", "dataset"] = "model", revision: str = "main"
) -> Path:
    """Fetch one file; the caller checks its hash unless `revision` is a commit."""
    from huggingface_hub import hf_hub_download

    return Path(
        _reach(repo, lambda: hf_hub_download(repo, file, repo_type=kind, revision=revision))
    )


def download_model(repo: str, revision: str) -> Path:
    """Fetch what a BERT checkpoint needs and return its folder."""
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "tokenizer*.json", "vocab.txt", "*.safetensors", "pytorch_model.bin"]
    return Path(
        _reach(repo, lambda: snapshot_download(repo, revision=revision, allow_patterns=wanted))
    )


def download_dataset(repo: str) -> tuple[list[dict[str, Any]], str]:
    """Fetch all rows of a data set, its parts in sorted order, and the revision they are of."""
    import datasets
    from huggingface_hub import HfApi

    revision = _reach(repo, lambda: str(HfApi().dataset_info(repo).sha))
    parts = _reach(repo, lambda: datasets.load_dataset(repo, revision=revision))
    return [row for name in sorted(parts) for row in parts[name]], revision


def _reach(repo: str, fetch: Callable[[], _T]) -> _T:
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=10)
    except Exception:  # whatever the client raises: without a hub only its cache is left
        # Every download would retry for half a minute before it turned to the cache.
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
