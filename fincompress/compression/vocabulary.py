"""Vocabulary pruning: removing word pieces from a tokenizer and their rows from the embeddings.

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
from fincompress.models.tokenization import PADDING, encode

PLACEHOLDER = "[unused"  # pieces that BERT reserves; no text is tokenized into one


def prune_tokenizer(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tokenizer, list[int]]:
    """Return a tokenizer with only the pieces that `texts` need, and the old id of each new id.

    Also kept are special tokens, the padding id, all pieces of a single character, and pieces that
    cannot be spelled from kept single characters. If single characters spell all other pieces, as
    in bert-base-uncased, then `texts` are tokenized as before, and no word of any other text turns
    into [UNK]. Otherwise this holds for words that single characters spell. The
    tokenizer that is returned never pads.

    Raises `UserError` unless the tokenizer's model is WordPiece.
    """
    data = json.loads(tokenizer.to_str())
    model = data["model"]
    if model["type"] != "WordPiece":
        raise UserError(f"tokenizer: its model must be WordPiece, not {model['type']}")
    pieces, prefix = model["vocab"], model["continuing_subword_prefix"]
    # WordPiece takes the longest piece that fits. If that piece is kept, it is still the longest.
    # If not, a single character fits at worst, so that a word spelled by these never gets stuck.
    stay = {PADDING, *(i for row in encode(tokenizer, texts) for i in row)}
    stay |= {token["id"] for token in data["added_tokens"]}
    stay |= {i for piece, i in pieces.items() if _must_stay(piece, prefix, pieces)}
    if model["unk_token"] in pieces:
        stay.add(pieces[model["unk_token"]])
    kept = sorted(stay)
    new = {old: i for i, old in enumerate(kept)}
    model["vocab"] = {piece: new[i] for piece, i in pieces.items() if i in new}
    for token in data["added_tokens"]:
        token["id"] = new[token["id"]]
    _renumber(data["post_processor"] or {}, new)
    data["padding"] = None
    return Tokenizer.from_str(json.dumps(data)), kept


def frequent_words(tokenizer: Tokenizer, count: int) -> list[str]:
    """Return the first `count` whole words of a vocabulary; BERT's are sorted by frequency."""
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda piece: piece[1])
    return [piece for piece, _ in by_id if len(piece) > 1 and piece.isalpha()][:count]


def prune_embeddings(model: Encoder, kept: Sequence[int]) -> Encoder:
    """Return a copy of `model` whose word embeddings are the rows `kept` of the old, in order."""
    smaller = deepcopy(model)
    smaller.layout = replace(model.layout, vocabulary=len(kept))
    smaller.words.num_embeddings = len(kept)
    rows = model.words.weight.detach()[list(kept)]  # (kept, width)
    smaller.words.weight = nn.Parameter(rows)
    return smaller


def _must_stay(piece: str, prefix: str, pieces: dict[str, int]) -> bool:
    """Whether `piece` is a single character, or single characters in `pieces` cannot spell it."""
    end = len(piece) - len(piece.removeprefix(prefix)) + 1  # of the first character
    spelling = [piece[:end], *(prefix + letter for letter in piece[end:])]
    if spelling == [piece]:
        return True
    return not piece.startswith(PLACEHOLDER) and any(letter not in pieces for letter in spelling)


def _renumber(processor: dict[str, Any], new: dict[int, int]) -> None:
    """Set the ids of the tokens that `processor` puts around a sentence, in place."""
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [new[i] for i in token["ids"]]
    for name in {"cls", "sep"} & processor.keys():  # BertProcessing: [token, id]
        processor[name][1] = new[processor[name][1]]
    for inner in processor.get("processors", []):  # Sequence
        _renumber(inner, new)
