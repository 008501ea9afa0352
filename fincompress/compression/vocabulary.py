"""Texts become a vocabulary: tokenizer and embedding table lose the word pieces they do not need.

Abdaoui, Pradel and Sigel (2020), "Load What You Need: Smaller Versions of Multilingual BERT".
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from tokenizers import Tokenizer
from torch import nn

from fincompress.config import UserError
from fincompress.models.encoder import Encoder
from fincompress.models.tokenization import encode

PADDING = 0  # as `pad` has it
PLACEHOLDER = "[unused"  # rows that BERT keeps free; no text becomes one


def prune_tokenizer(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tokenizer, list[int]]:
    """Return a tokenizer with the pieces that `texts` become, and the old id of each new id.

    Special tokens and id 0, the padding, stay too, and so do all pieces of a single character,
    and those that these cannot spell. Where they spell all others, as in bert-base-uncased,
    `texts` are tokenized as before, and no word of another text becomes [UNK] that was not.
    Elsewhere no word that they spell becomes [UNK], and no piece alone. The result never pads.

    Raises `UserError` unless the tokenizer is a WordPiece.
    """
    data = json.loads(tokenizer.to_str())
    model = data["model"]
    if model["type"] != "WordPiece":
        raise UserError(f"tokenizer: its model must be WordPiece, not {model['type']}")
    pieces, prefix = model["vocab"], model["continuing_subword_prefix"]
    # WordPiece takes the longest piece that fits: a kept one that was the longest still is, and
    # where it is gone, a single character fits at worst. A word that these spell has no dead end.
    stay = {PADDING, *(i for row in encode(tokenizer, texts) for i in row)}
    stay |= {token["id"] for token in data["added_tokens"]}
    stay |= {i for piece, i in pieces.items() if _must_stay(piece, prefix, pieces)}
    if model["unk_token"] in pieces:
        stay.add(pieces[model["unk_token"]])
    kept = sorted(stay)
    new = {old: place for place, old in enumerate(kept)}
    model["vocab"] = {piece: new[i] for piece, i in pieces.items() if i in new}
    for token in data["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber(data["post_processor"] or {}, new)
    data["padding"] = None
    return Tokenizer.from_str(json.dumps(data)), kept


def frequent_words(tokenizer: Tokenizer, count: int) -> list[str]:
    """Return the first `count` words of a vocabulary, which BERT's has in order of frequency."""
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda piece: piece[1])
    return [piece for piece, _ in by_id if len(piece) > 1 and piece.isalpha()][:count]


def prune_embeddings(model: Encoder, kept: Sequence[int]) -> Encoder:
    """Return a copy of `model` whose row i for words is row `kept[i]`; the others are gone."""
    smaller = deepcopy(model)
    smaller.layout = replace(model.layout, vocabulary=len(kept))
    smaller.words.num_embeddings = len(kept)
    rows = model.words.weight.detach()[list(kept)]  # (kept, width)
    smaller.words.weight = nn.Parameter(rows)
    return smaller


def _must_stay(piece: str, prefix: str, pieces: dict[str, int]) -> bool:
    """Whether `piece` is a single character, or single characters cannot spell it."""
    end = len(piece) - len(piece.removeprefix(prefix)) + 1  # of the first character
    spelling = [piece[:end], *(prefix + letter for letter in piece[end:])]
    if spelling == [piece]:
        return True
    return not piece.startswith(PLACEHOLDER) and any(letter not in pieces for letter in spelling)


def _renumber(processor: dict[str, Any], new: dict[int, int]) -> None:
    """Give the tokens that `processor` puts around a sentence their `new` ids, in place."""
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [new[i] for i in token["ids"]]
    for name in {"cls", "sep"} & processor.keys():  # BertProcessing: [token, id]
        processor[name][1] = new[processor[name][1]]
    for inner in processor.get("processors", []):  # Sequence
        _renumber(inner, new)
