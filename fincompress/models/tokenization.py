"""Sentences become token ids, through the `tokenizers` library and without padding beyond need."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fincompress.artifact import TOKENIZER, Artifact
from fincompress.config import UserError

Ids = list[list[int]]


def load_tokenizer(artifact: Artifact) -> Tokenizer:
    """Return the artifact's tokenizer, truncating at its maximum length and never padding."""
    tokenizer = Tokenizer.from_file(str(artifact.path / TOKENIZER))
    tokenizer.no_padding()  # a shipped tokenizer may pad everything to a fixed length
    tokenizer.enable_truncation(artifact.manifest.max_length_tokens)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: Sequence[str], threads: int = 0) -> Ids:
    """Return the token ids of each text; with `threads` of 1 no other thread is woken."""
    if threads == 1 or len(texts) == 1:
        return [tokenizer.encode(text).ids for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def pad(ids: Ids, tokens: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return ids and mask, both (n, tokens), by default those of the longest; padding is 0, as
    in BERT."""
    lengths = np.array([len(row) for row in ids])
    mask = np.arange(tokens or lengths.max()) < lengths[:, None]  # (n, tokens)
    padded = np.zeros(mask.shape, dtype=np.int64)
    padded[mask] = np.concatenate(ids)
    return padded, mask


def batches_by_length(ids: Ids, size: int) -> list[list[int]]:
    """Indices in batches of `size`, longest first, so that little is padded."""
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def batches_by_tokens(ids: Ids, tokens: int, at_least: int = 1) -> list[list[int]]:
    """Indices in batches of at most `tokens`, padding included, longest first.

    Each holds one text or more, whatever its length; there are `at_least` as many batches, or
    as there are texts.
    """
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    most = max(1, len(ids) // max(1, at_least))
    batches: list[list[int]] = []
    room = 0
    for i in order:
        if room == 0:
            batches.append([])
            room = min(most, max(1, tokens // max(1, len(ids[i]))))
        batches[-1].append(i)
        room -= 1
    return batches


def has_tokenizer(folder: Path) -> bool:
    return (folder / TOKENIZER).is_file() or (folder / "vocab.txt").is_file()


def read_checkpoint_tokenizer(folder: Path, lowercase: bool) -> Tokenizer:
    """Read a checkpoint's `tokenizer.json`, or build BERT's word pieces from its `vocab.txt`.

    Raises `UserError` if the file is broken.
    """
    from tokenizers.implementations import BertWordPieceTokenizer

    shipped = folder / TOKENIZER
    try:
        if shipped.is_file():
            return Tokenizer.from_file(str(shipped))
        pieces = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lowercase)
        return Tokenizer.from_str(pieces.to_str())
    except Exception as error:  # all that the library raises
        raise UserError(f"{folder}: the tokenizer cannot be read: {error}") from None
