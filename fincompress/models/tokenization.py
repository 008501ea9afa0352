"""Tokenization: token ids of sentences, padded to the longest, and batches of similar length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fincompress.artifact import TOKENIZER, Artifact
from fincompress.config import UserError
from fincompress.models.probe import SENTENCES

Ids = list[list[int]]
Encode = Callable[[Sequence[str]], Ids]  # texts to the token ids of each

PADDING = 0  # the id at padding
UNKNOWN = "[UNK]"  # the piece for what a vocabulary lacks
# Texts on which two tokenizers differ if they differ at all: accents, ligatures, scripts, controls.
HARD_TEXTS = (
    "",
    " ",
    "\x00a\tb",
    "na\u00efve caf\u00e9",
    "x\u0301y",
    "\ufb01nance",
    "\uff21\uff22",
    "\u0130stanbul",
    "\u4e2d\u6587 text",
    "\U0001f600 up 5%",
    "\u200bzero\u00a0width",
    "don't EUR1.5mn (-3.2%)",
    "[CLS] [MASK] [SEP]",
    "a" * 300,
    "word " * 300,
)


def load_tokenizer(artifact: Artifact) -> Tokenizer:
    """Return the artifact's tokenizer, truncating at its maximum length and never padding."""
    tokenizer = Tokenizer.from_file(str(artifact.path / TOKENIZER))
    tokenizer.no_padding()  # a checkpoint's tokenizer may pad everything to a fixed length
    tokenizer.enable_truncation(artifact.manifest.max_length_tokens)
    return tokenizer


@dataclass
class TokenEncoder:
    """A model's tokenizer, which counts the texts that are longer than the model reads.

    `encode`: texts to token ids, truncated at the model's maximum length. `tokenizer`: the one of
    `tokenizers` that gives the same ids. `longest`: that maximum, in tokens. `cut`: how many texts
    have been truncated. Calls from several threads are counted one after the other.
    """

    encode: Encode
    tokenizer: Tokenizer
    longest: int
    cut: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return the token ids of each text."""
        ids = self.encode(texts)
        full = [text for text, row in zip(texts, ids, strict=True) if len(row) >= self.longest]
        if full:  # few: whether they just fit is worth another look
            cut = sum(bool(self.tokenizer.encode(text).overflowing) for text in full)
            with self._lock:
                self.cut += cut
        return ids


def load_token_encoder(artifact: Artifact, threads: int) -> TokenEncoder:
    """Return what encodes texts as `encode` does with the artifact's tokenizer and `threads`.

    Where the package `nanotoken` is installed, an optional one, it computes the same ids in a tenth
    of the time, in the calling thread. It is used only if it gives the ids of `tokenizers` to
    `HARD_TEXTS` and to the sentences of the probe.
    """
    tokenizer, longest = load_tokenizer(artifact), artifact.manifest.max_length_tokens
    fast = _nanotoken(artifact)
    texts = [*HARD_TEXTS, *SENTENCES]
    if fast is not None and fast(texts) == encode(tokenizer, texts, 1):
        return TokenEncoder(fast, tokenizer, longest)
    return TokenEncoder(lambda texts: encode(tokenizer, texts, threads), tokenizer, longest)


def _nanotoken(artifact: Artifact) -> Encode | None:
    """What encodes texts by `nanotoken`; None if it is not installed or has no such tokenizer."""
    try:
        import nanotoken
    except ImportError:
        return None
    text = (artifact.path / TOKENIZER).read_text(encoding="utf-8")
    try:
        tokenizer = nanotoken.Tokenizer.from_json(text)
    except Exception:  # it reads WordPiece alone
        return None
    longest = artifact.manifest.max_length_tokens

    def encode_fast(texts: Sequence[str]) -> Ids:
        return tokenizer.encode_batch_list(list(texts), max_length=longest, parallel=False)

    return encode_fast


def encode(tokenizer: Tokenizer, texts: Sequence[str], threads: int = 0) -> Ids:
    """Return the token ids of each text. With `threads` of 1, no other thread is used."""
    if threads == 1 or len(texts) == 1:
        return [tokenizer.encode(text).ids for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]


def pad(ids: Ids, tokens: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return ids and mask, both (n, tokens); the mask is false at padding, which is `PADDING`.

    `tokens` is the length to pad to, by default that of the longest text.
    """
    lengths = np.array([len(row) for row in ids])
    mask = np.arange(tokens or lengths.max()) < lengths[:, None]  # (n, tokens)
    padded = np.full(mask.shape, PADDING, dtype=np.int64)
    padded[mask] = np.concatenate(ids)
    return padded, mask


def batches_by_length(ids: Ids, size: int) -> list[list[int]]:
    """Return the indices of `ids` in batches of `size`, longest text first, for little padding."""
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def batches_by_tokens(ids: Ids, tokens: int, at_least: int = 1) -> list[list[int]]:
    """Return the indices of `ids` in batches of at most `tokens`, padding included, longest first.

    A text of more tokens is a batch of its own. There are `at_least` that many batches, unless
    there are fewer texts.
    """
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    most_texts = max(1, len(ids) // max(1, at_least))
    batches: list[list[int]] = []
    room = 0
    for i in order:
        if room == 0:
            batches.append([])
            room = min(most_texts, max(1, tokens // max(1, len(ids[i]))))
        batches[-1].append(i)
        room -= 1
    return batches


def has_tokenizer(folder: Path) -> bool:
    """Return whether a checkpoint's folder has a file that `read_checkpoint_tokenizer` reads."""
    return (folder / TOKENIZER).is_file() or (folder / "vocab.txt").is_file()


def read_checkpoint_tokenizer(folder: Path, lowercase: bool) -> Tokenizer:
    """Return the tokenizer in a checkpoint's `tokenizer.json`, or WordPiece with its `vocab.txt`.

    `lowercase` is for the latter. Raises `UserError` if the file cannot be read.
    """
    from tokenizers.implementations import BertWordPieceTokenizer

    file = folder / TOKENIZER
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        pieces = BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=lowercase)
        return Tokenizer.from_str(pieces.to_str())
    except Exception as error:  # the library raises no other type
        raise UserError(f"{folder}: the tokenizer cannot be read: {error}") from None
