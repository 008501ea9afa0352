"""A teacher's answers: its logits for many sentences, computed once and kept in the cache."""

import io
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fincompress.artifact import TOKENIZER, Artifact, read_artifact
from fincompress.config import dump, fingerprint
from fincompress.machine.cache import cache_folders, write_whole
from fincompress.models.storage import WEIGHTS, load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.training.batches import predict_logits

MANY = 5000  # of more sentences, it is printed that they are answered


@lru_cache(maxsize=2)  # also where no file can be written
def teacher_answers(path: Path, texts: tuple[str, ...]) -> Tensor:
    """Return the logits of the torch artifact at `path` for `texts`, (n, labels), on the CPU.

    They are read from the cache if a process has computed them before. Raises `UserError` if the
    artifact cannot be read.
    """
    artifact = read_artifact(path)
    file = _cache_file(artifact, texts)
    shape = len(texts), artifact.manifest.layout.labels
    folders = cache_folders("answers")
    for folder in folders:
        if (known := _read(folder / file, shape)) is not None:
            return torch.from_numpy(known)
    if len(texts) > MANY:
        print(f"the teacher answers {len(texts)} sentences", flush=True)
    ids = encode(load_tokenizer(artifact), texts)
    logits = predict_logits(load_encoder(artifact), ids, "answers of the teacher")
    content = io.BytesIO()
    np.save(content, logits.numpy(), allow_pickle=False)
    any(write_whole(folder / file, content.getvalue()) for folder in folders)  # in one of them
    return logits


def _cache_file(artifact: Artifact, texts: tuple[str, ...]) -> str:
    """The name of the file for the answers of this model, in this release of PyTorch."""
    manifest = artifact.manifest
    facts = (
        manifest.files[WEIGHTS],
        manifest.files[TOKENIZER],
        manifest.max_length_tokens,
        dump(manifest.layout),  # the same weights may be heads of another width
        version("torch"),
        texts,
    )
    return f"{fingerprint(facts)}.npy"


def _read(file: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The answers in a file; None if it is not there, is damaged, or has another shape."""
    try:
        with file.open("rb") as stream:
            logits = np.load(stream, allow_pickle=False)
    except Exception:  # numpy raises errors of many types for a damaged file
        return None
    fits = isinstance(logits, np.ndarray) and logits.shape == shape and logits.dtype == np.float32
    return logits if fits and np.isfinite(logits).all() else None
