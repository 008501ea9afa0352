"""Sentences become ids: truncated, never padded beyond the longest, each in exactly one batch."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer

from fincompress.artifact import TOKENIZER, Artifact
from fincompress.models.tokenization import (
    batches_by_length,
    batches_by_tokens,
    encode,
    has_tokenizer,
    load_token_encoder,
    load_tokenizer,
    pad,
    read_checkpoint_tokenizer,
)
from tests.support.projects import tiny_tokenizer

CLS, SEP, UNK = 2, 3, 1


@pytest.fixture
def tokenizer(base: Artifact) -> Tokenizer:
    return load_tokenizer(base)


def test_a_sentence_becomes_its_pieces_between_cls_and_sep(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.get_vocab()
    assert encode(tokenizer, ["Profit ROSE ab .", "\u20ac"]) == [
        [CLS, pieces["profit"], pieces["rose"], pieces["a"], pieces["##b"], pieces["."], SEP],
        [CLS, UNK, SEP],
    ]


def test_a_long_sentence_is_cut_at_the_manifests_length(
    base: Artifact, tokenizer: Tokenizer
) -> None:
    most = base.manifest.max_length_tokens
    assert most == 32
    cut, fits = encode(tokenizer, ["profit rose " * 40, "profit " * (most - 2)])
    assert len(cut) == len(fits) == most
    assert (cut[0], cut[-1]) == (CLS, SEP)
    assert cut[1:-1] == encode(tokenizer, ["profit rose " * 15])[0][1:-1]


def test_sentences_are_never_padded(tokenizer: Tokenizer) -> None:
    texts = ["profit", "profit rose .", "sales fell"]
    assert [len(row) for row in encode(tokenizer, texts)] == [3, 5, 4]


def test_a_shipped_tokenizers_own_padding_and_truncation_are_undone(
    base: Artifact, tmp_path: Path
) -> None:
    shipped = Tokenizer.from_file(str(base.path / TOKENIZER))
    shipped.enable_padding(length=20)
    shipped.enable_truncation(4)
    shipped.save(str(tmp_path / TOKENIZER))
    tokenizer = load_tokenizer(Artifact(tmp_path, base.manifest))
    assert [len(row) for row in encode(tokenizer, ["profit rose .", "sales"])] == [5, 3]


@pytest.mark.parametrize(
    ("lengths", "at_least", "expected"),
    [
        ([10, 30, 20, 40], 1, [[3], [1], [2, 0]]),  # 40; 30; two of 20 fill 40
        ([99, 1], 1, [[0], [1]]),  # what is longer than any batch goes alone
        ([5] * 8, 1, [[0, 1, 2, 3, 4, 5, 6, 7]]),
        ([5] * 8, 2, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ([5, 5, 5], 2, [[0], [1], [2]]),
        ([5], 4, [[0]]),
        ([], 2, []),
    ],
)
def test_batches_hold_so_many_tokens_and_there_are_enough_of_them(
    lengths: list[int], at_least: int, expected: list[list[int]]
) -> None:
    ids = [[1] * length for length in lengths]
    assert batches_by_tokens(ids, 40, at_least) == expected


def test_pad_fills_with_zeros_up_to_the_length_asked_for() -> None:
    ids, mask = pad([[2, 7, 3]], 5)
    assert ids.tolist() == [[2, 7, 3, 0, 0]] and mask.tolist() == [[1, 1, 1, 0, 0]]


def test_pad_fills_with_zeros_up_to_the_longest() -> None:
    ids, mask = pad([[2, 7, 3], [2, 8, 9, 5, 3], [4]])
    assert ids.tolist() == [[2, 7, 3, 0, 0], [2, 8, 9, 5, 3], [4, 0, 0, 0, 0]]
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]
    assert (ids.dtype.name, mask.dtype.name) == ("int64", "bool")


def test_batches_hold_each_index_once_longest_first() -> None:
    ids = [[1] * length for length in (3, 9, 1, 9, 4, 2, 7)]
    assert batches_by_length(ids, 3) == [[1, 3, 6], [4, 0, 5], [2]]


@pytest.mark.parametrize("size", [1, 4, 7, 50])
def test_no_batch_is_larger_than_asked(size: int) -> None:
    batches = batches_by_length([[1] * (i % 5 + 1) for i in range(7)], size)
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size


def test_a_vocabulary_alone_is_a_tokenizer_and_may_keep_case(tmp_path: Path) -> None:
    assert not has_tokenizer(tmp_path)
    tiny_tokenizer(tmp_path)  # writes vocab.txt
    assert has_tokenizer(tmp_path)
    lower = read_checkpoint_tokenizer(tmp_path, lowercase=True)
    cased = read_checkpoint_tokenizer(tmp_path, lowercase=False)
    assert lower.encode("PROFIT r\u00f6se").tokens == ["[CLS]", "profit", "rose", "[SEP]"]
    assert cased.encode("PROFIT rose").tokens == ["[CLS]", "[UNK]", "rose", "[SEP]"]


def test_tokenizer_json_goes_before_the_vocabulary(tmp_path: Path) -> None:
    tiny_tokenizer(tmp_path).save(str(tmp_path / TOKENIZER))
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    tokenizer = read_checkpoint_tokenizer(tmp_path, lowercase=True)
    assert tokenizer.encode("profit").tokens == ["[CLS]", "profit", "[SEP]"]


ODD = ["Profit ROSE ab .", "", " \t\n", "\u20ac", "caf\u00e9", "profit " * 200, "\x00rose"]


def _installed(monkeypatch: pytest.MonkeyPatch, answer: object) -> list[str]:
    """Let `nanotoken` be a package whose tokenizer gives `answer`; return what it is asked."""
    asked: list[str] = []

    def encode_batch_list(texts: Sequence[str], **options: object) -> object:
        assert options == {"max_length": 32, "parallel": False}
        asked.extend(texts)
        return answer

    def from_json(text: str) -> object:
        if answer is None:
            raise ValueError("unsupported tokenizer")
        return SimpleNamespace(encode_batch_list=encode_batch_list)

    package = SimpleNamespace(Tokenizer=SimpleNamespace(from_json=from_json))
    monkeypatch.setitem(sys.modules, "nanotoken", package)
    return asked


@pytest.mark.parametrize("threads", [1, 2])
def test_the_faster_tokenizer_gives_the_same_ids(
    base: Artifact, tokenizer: Tokenizer, threads: int
) -> None:
    pytest.importorskip("nanotoken")
    fast = load_token_encoder(base, threads)
    assert "nanotoken" in fast.encode.__qualname__, "it is used"
    assert fast(ODD) == encode(tokenizer, ODD)
    with pytest.raises(TypeError):
        fast([None])  # type: ignore[list-item]


@pytest.mark.parametrize("answer", [[[CLS, SEP]], None], ids=["other ids", "unsupported"])
def test_a_faster_tokenizer_that_gives_other_ids_is_not_used(
    base: Artifact, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    asked = _installed(monkeypatch, answer)
    chosen = load_token_encoder(base, 1)
    asked.clear()
    assert chosen(ODD) == encode(tokenizer, ODD)
    assert not asked


def test_without_the_faster_tokenizer_the_usual_one_is_used(
    base: Artifact, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nanotoken", None)
    assert load_token_encoder(base, 2)(ODD) == encode(tokenizer, ODD)
