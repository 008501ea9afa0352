"""Sources become cleaned, deduplicated splits; whatever cannot be used is named in one message."""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import datasets
import huggingface_hub
import pandas as pd
import pytest

from fincompress.data import LABELS, DataConfig, Sentences, Splits, load_splits
from fincompress.data.rows import Row, clean
from fincompress.data.sources import PHRASEBANK_SHA256, PHRASEBANK_ZIP, read, read_file
from fincompress.evaluation.floor import fit_floor
from fincompress.evaluation.metrics import scores
from fincompress.models.checkpoint import Base, fetch
from fincompress.spec import UserError
from tests.conftest import SHARED, tiny_sentences

REAL_FINGERPRINT = "dd7661396f0bb28441be00b09dc15352106b65a3eaccc1d6d6c91d80d0b9f004"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"no corpora at {SHARED}")


def write_csv(path: Path, rows: Sequence[tuple[str, object]]) -> str:
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return str(path)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)


# --- the real corpora -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Splits:
    return load_splits(DataConfig(sources=("phrasebank", "fiqa")), SHARED)


@needs_shared
def test_phrasebank_and_fiqa_give_the_known_split(real: Splits) -> None:
    assert {part: len(s) for part, s in real.parts().items()} == {
        "train": 2358,
        "val": 506,
        "test": 506,
    }
    assert real.fingerprint == REAL_FINGERPRINT
    assert (real.name, real.synthetic) == ("phrasebank+fiqa", False)


@needs_shared
def test_every_part_of_the_known_split_has_the_same_class_shares(real: Splits) -> None:
    counts = {part: Counter(s.labels) for part, s in real.parts().items()}
    assert counts == {
        "train": {0: 454, 1: 1028, 2: 876},
        "val": {0: 97, 1: 221, 2: 188},
        "test": {0: 97, 1: 221, 2: 188},
    }


@needs_shared
def test_no_sentence_of_the_known_split_is_in_two_parts(real: Splits) -> None:
    texts = [text for part in real.parts().values() for text in part.texts]
    assert len(set(texts)) == len(texts) == 2358 + 506 + 506


@needs_shared
def test_licence_notes_travel_with_the_known_split(real: Splits) -> None:
    phrasebank, fiqa = real.notes
    assert "CC BY-NC-SA 3.0" in phrasebank
    assert "research use" in fiqa


@needs_shared
def test_the_floor_scores_0_794_on_the_known_split(real: Splits) -> None:
    predictor = fit_floor(real.train)
    found = scores(real.test.labels, predictor(real.test.texts).argmax(1))
    assert found["macro_f1"] == pytest.approx(0.794, abs=0.001)


@needs_shared
def test_another_order_of_the_corpora_is_another_split_and_refused() -> None:
    turned = DataConfig(sources=("fiqa", "phrasebank"))
    other = load_splits(turned, SHARED).fingerprint
    assert other != REAL_FINGERPRINT
    pinned = DataConfig(sources=("fiqa", "phrasebank"), fingerprint=REAL_FINGERPRINT)
    message = refusal(lambda: load_splits(pinned, SHARED))
    assert message.startswith(
        f"data.fingerprint: this study was made for the split {REAL_FINGERPRINT}, "
        f"and these files give {other}: "
    )


@needs_shared
def test_the_fingerprint_a_study_names_is_accepted() -> None:
    pinned = DataConfig(sources=("phrasebank", "fiqa"), fingerprint=REAL_FINGERPRINT)
    assert load_splits(pinned, SHARED).fingerprint == REAL_FINGERPRINT


# --- PhraseBank and FiQA from a folder --------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("phrasebank", "financial_phrasebank/FinancialPhraseBank-v1.0.zip"),
        ("fiqa", "fiqa_2018/task1_*.json"),
    ],
)
@pytest.mark.parametrize("made", ["no folder", "empty folder"])
def test_a_missing_corpus_is_named_with_its_place(
    tmp_path: Path, source: str, missing: str, made: str
) -> None:
    if made == "empty folder":
        (tmp_path / missing).parent.mkdir()
    assert refusal(lambda: read(source, tmp_path)) == (
        f"{tmp_path / missing}: not found; '{source}' is read from the folder given by data_dir "
        "or FINCOMPRESS_DATA_DIR, and from the Hugging Face Hub if neither is set"
    )


def test_another_phrasebank_zip_is_refused_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "financial_phrasebank" / PHRASEBANK_ZIP
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("FinancialPhraseBank-v1.0/Sentences_AllAgree.txt", "Sales rose .@positive")
    message = refusal(lambda: read("phrasebank", tmp_path))
    assert message.startswith(f"{path}: sha256 must be {PHRASEBANK_SHA256}, not ")


def write_fiqa(data_dir: Path, name: str, entries: dict[str, Any]) -> Path:
    path = data_dir / "fiqa_2018" / f"task1_{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize(
    ("score", "label"),
    [
        ("0.1", "neutral"),
        ("-0.1", "neutral"),
        ("0", "neutral"),
        ("0.101", "positive"),
        ("-0.101", "negative"),
        ("1", "positive"),
        ("-0.9", "negative"),
    ],
)
def test_fiqa_scores_within_a_tenth_are_neutral(tmp_path: Path, score: str, label: str) -> None:
    write_fiqa(tmp_path, "post", {"1": {"sentence": "a", "info": [{"sentiment_score": score}]}})
    assert read("fiqa", tmp_path)[0] == [("a", label, "fiqa")]


def test_fiqa_gives_a_row_for_each_aspect_with_files_in_order_of_name(tmp_path: Path) -> None:
    two = [{"sentiment_score": "0.5"}, {"sentiment_score": "-0.5"}]
    write_fiqa(tmp_path, "b", {"1": {"sentence": " late\tone ", "info": [two[0]]}})
    write_fiqa(tmp_path, "a", {"9": {"sentence": "both", "info": two}})
    assert read("fiqa", tmp_path)[0] == [
        ("both", "positive", "fiqa"),
        ("both", "negative", "fiqa"),
        ("late one", "positive", "fiqa"),
    ]


@pytest.mark.parametrize(
    "entries", [[], {"1": {"sentence": "a"}}, {"1": {"sentence": "a", "info": [{}]}}, {"1": "a"}]
)
def test_a_file_of_another_form_is_no_fiqa_file(tmp_path: Path, entries: Any) -> None:
    path = write_fiqa(tmp_path, "post", entries)
    message = refusal(lambda: read("fiqa", tmp_path))
    assert message.startswith(f"{path}: is not a FiQA task 1 file: ")


# --- a user's own files -----------------------------------------------------------------------

TABLE = [
    {"text": "Profit  rose , by\t2 % ", "label": "positive"},
    {"text": "Ääni 'quoted' \"too\"", "label": " Neutral"},
    {"text": "Sales fell .", "label": "negative"},
]


def write_table(path: Path, records: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        pd.DataFrame(records).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pd.DataFrame(records).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    else:
        lines = [json.dumps(record, ensure_ascii=False) for record in records]
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_every_format_reads_alike(tmp_path: Path, ending: str) -> None:
    assert read(str(write_table(tmp_path / f"my{ending}", TABLE)), None) == (
        [
            ("Profit rose , by 2 %", "positive", "my"),
            ("Ääni 'quoted' \"too\"", "neutral", "my"),
            ("Sales fell .", "negative", "my"),
        ],
        "",
    )


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_labels_may_be_class_indices(tmp_path: Path, ending: str) -> None:
    records = [{"text": f"t{label}", "label": label, "extra": 1.5} for label in (2, 0, 1)]
    assert read_file(write_table(tmp_path / f"my{ending}", records)) == [
        ("t2", "positive", "my"),
        ("t0", "negative", "my"),
        ("t1", "neutral", "my"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,lable\na,positive\n", "column 'label' is missing; found: text, lable"),
        ("sentence,label\na,positive\n", "column 'text' is missing; found: sentence, label"),
        (
            "text,label\na,positive\nb,good\n",
            "row 2: unknown label 'good'; labels are negative, neutral, positive or 0, 1, 2",
        ),
        (
            "text,label\na,0\nb,3\n",
            "row 2: unknown label 3; labels are negative, neutral, positive or 0, 1, 2",
        ),
        (
            "text,label\na,0\nb,-1\n",
            "row 2: unknown label -1; labels are negative, neutral, positive or 0, 1, 2",
        ),
        (
            "text,label\na,positive\nb,\n",
            "row 2: unknown label None; labels are negative, neutral, positive or 0, 1, 2",
        ),
        ("text,label\na,0\n,1\n", "row 2: 'text' must be a sentence, not None"),
        ('text,label\na,0\n"  ",1\n', "row 2: 'text' must be a sentence, not '  '"),
        ("text,label\n12,0\n13,1\n", "row 1: 'text' must be a sentence, not 12"),
        (b"text,label\ncaf\xe9,1\n", "must be UTF-8; byte 14 is not"),
        ("", "cannot be read: No columns to parse from file"),
    ],
)
def test_a_bad_csv_file_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert refusal(lambda: read_file(path)) == f"{path}: {message}"


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_a_file_of_another_format_cannot_be_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"my{ending}"
    path.write_text("text;label")
    message = refusal(lambda: read_file(path))
    assert message.startswith(f"{path}: cannot be read: ")
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    assert refusal(lambda: read(str(path), None)) == f"{path}: no such file"


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("phrasbank", ("unknown source 'phrasbank'", "did you mean 'phrasebank'?")),
        ("my.txt", ("unknown source 'my.txt'", "must end in .csv, .json, .jsonl, .parquet")),
    ],
)
def test_an_unknown_source_is_refused(source: str, parts: tuple[str, ...]) -> None:
    message = refusal(lambda: read(source, None))
    assert message.startswith("data.sources: ")
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [(" a\t b \n", "a b"), ("a\u00a0b", "a b"), ("Profit ROSE .", "Profit ROSE ."), (" ", "")],
)
def test_cleaning_changes_white_space_and_nothing_else(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


# --- splitting --------------------------------------------------------------------------------


def split_of(rows: Sequence[tuple[str, object]], folder: Path, **config: Any) -> Splits:
    path = write_csv(folder / "my.csv", rows)
    return load_splits(DataConfig(sources=(path,), **config), None)


def test_a_split_is_70_15_15_and_stratified(tmp_path: Path) -> None:
    shares = {"negative": 20, "neutral": 105, "positive": 85}
    rows = [(f"{label} {i}", label) for label, n in shares.items() for i in range(n)]
    splits = split_of(rows, tmp_path)
    assert {part: Counter(s.labels) for part, s in splits.parts().items()} == {
        "train": {0: 14, 1: 73, 2: 59},
        "val": {0: 3, 1: 16, 2: 13},
        "test": {0: 3, 1: 16, 2: 13},
    }
    tables = pd.concat([s.frame() for s in splits.parts().values()])
    assert sorted(zip(tables["text"], tables["label"], strict=True)) == sorted(rows)


def test_seven_sentences_of_a_label_reach_every_part(tmp_path: Path) -> None:
    rows = [(f"{label} {i}", label) for label in LABELS for i in range(7)]
    splits = split_of(rows, tmp_path)
    assert [set(s.labels) for s in splits.parts().values()] == [{0, 1, 2}] * 3


def test_six_sentences_of_a_label_are_too_few(tmp_path: Path) -> None:
    rows = [(f"{label} {i}", label) for label in LABELS for i in range(7)]
    assert refusal(lambda: split_of(rows[:-1], tmp_path)) == (
        "data: a split needs at least 7 sentences of each label, 'positive' has 6"
    )


def test_all_labels_must_occur(tmp_path: Path) -> None:
    rows = [(f"a {i}", "neutral") for i in range(9)]
    assert refusal(lambda: split_of(rows, tmp_path)) == (
        "data: all of negative, neutral, positive must occur, "
        "found 0 negative, 9 neutral, 0 positive"
    )


def test_the_first_of_equal_sentences_is_kept_across_files(tmp_path: Path) -> None:
    rows: list[tuple[str, object]] = [("Profit rose .", "positive"), *tiny_sentences()]
    one = write_csv(tmp_path / "one.csv", [*rows, ("Odd  one", "neutral"), ("Odd one", "positive")])
    two = write_csv(tmp_path / "two.csv", [("Profit\trose .", "negative"), ("Last", "neutral")])
    splits = load_splits(DataConfig(sources=(one, two)), None)
    kept: dict[str, Row] = {
        text: (text, LABELS[label], source)
        for s in splits.parts().values()
        for text, label, source in zip(s.texts, s.labels, s.sources, strict=True)
    }
    assert sum(map(len, splits.parts().values())) == len(kept) == 1 + 63 + 1 + 1
    assert kept["Profit rose ."] == ("Profit rose .", "positive", "one")
    assert kept["Odd one"] == ("Odd one", "neutral", "one")
    assert kept["Last"] == ("Last", "neutral", "two")
    assert splits.name == "one+two"


def test_the_fingerprint_follows_order_labels_seed_and_text(tmp_path: Path) -> None:
    rows = tiny_sentences()
    relabelled = [(text, "neutral" if i == 0 else label) for i, (text, label) in enumerate(rows)]
    respelled = [(text.replace("profit rose", "Profit rose"), label) for text, label in rows]
    same = split_of(rows, tmp_path).fingerprint
    assert split_of(rows, tmp_path).fingerprint == same
    others = {
        split_of(rows[::-1], tmp_path).fingerprint,
        split_of(relabelled, tmp_path).fingerprint,
        split_of(respelled, tmp_path).fingerprint,
        split_of(rows, tmp_path, split_seed=43).fingerprint,
    }
    assert len(others | {same}) == 5


def test_moving_a_sentence_to_another_part_changes_the_fingerprint() -> None:
    one, two = (Sentences.of([(text, "neutral", "x")]) for text in ("a", "b"))
    straight = Splits("x", train=one, val=two, test=two, notes=(), synthetic=False)
    turned = Splits("x", train=two, val=one, test=two, notes=(), synthetic=False)
    assert straight.fingerprint != turned.fingerprint


def test_a_split_that_the_study_was_not_made_for_is_refused(tmp_path: Path) -> None:
    right = split_of(tiny_sentences(), tmp_path).fingerprint
    assert split_of(tiny_sentences(), tmp_path, fingerprint=right).fingerprint == right
    message = refusal(lambda: split_of(tiny_sentences(), tmp_path, fingerprint="beef"))
    assert message.startswith("data.fingerprint: this study was made for the split beef, and these")
    assert right in message


def test_the_sample_keeps_its_own_split_and_warns() -> None:
    splits = load_splits(DataConfig(sources=("sample",)), None)
    assert (splits.name, splits.synthetic) == ("sample", True)
    assert [note for note in splits.notes if note.startswith("Synthetic sentences")]
    assert set(splits.test.sources) == {"sample"}


def test_the_sample_cannot_be_mixed() -> None:
    assert refusal(lambda: load_splits(DataConfig(sources=("sample", "fiqa")), None)) == (
        "data.sources: 'sample' comes with its own split and cannot be mixed with fiqa"
    )


def test_sentences_become_a_table_of_names() -> None:
    sentences = Sentences.of([("a", "positive", "x"), ("b", "negative", "y")])
    assert sentences.labels == (2, 0)
    assert sentences.frame().to_dict("list") == {
        "text": ["a", "b"],
        "label": ["positive", "negative"],
        "source": ["x", "y"],
    }


# --- the hub, without a network ---------------------------------------------------------------


class Session:
    """Stands in for the hub's HTTP session; `reachable` decides what a HEAD request meets."""

    def __init__(self, reachable: bool) -> None:
        self.reachable = reachable

    def head(self, url: str, timeout: float) -> None:
        if not self.reachable:
            raise OSError("no route to host")


def connect(monkeypatch: pytest.MonkeyPatch, *, reachable: bool) -> None:
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: Session(reachable))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


def fail(*given: object, **named: object) -> NoReturn:
    raise ConnectionError("nobody answers\nsecond line")


@pytest.mark.parametrize(
    ("repo", "call"),
    [
        ("takala/financial_phrasebank", lambda: read("phrasebank", None)),
        ("pauri32/fiqa-2018", lambda: read("fiqa", None)),
        ("ProsusAI/finbert", lambda: fetch(Base(hub="ProsusAI/finbert", revision="45"))),
    ],
)
def test_a_hub_out_of_reach_is_one_message_that_names_the_repository(
    monkeypatch: pytest.MonkeyPatch, repo: str, call: Callable[[], object]
) -> None:
    connect(monkeypatch, reachable=False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr(datasets, "load_dataset", fail)
    assert refusal(call) == (
        f"{repo}: could not be fetched from the Hugging Face Hub (nobody answers); use local files "
        "(data_dir, or 'folder' for a base model), or a study that needs no hub: quickstart"
    )


@pytest.mark.parametrize("reachable", [True, False])
def test_without_a_hub_its_client_turns_to_the_cache_at_once(
    monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    connect(monkeypatch, reachable=reachable)
    seen: list[bool] = []

    def download(*given: object, **named: object) -> NoReturn:
        seen.append(huggingface_hub.constants.HF_HUB_OFFLINE)
        fail()

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    refusal(lambda: read("phrasebank", None))
    assert seen == [not reachable]


def test_a_corpus_from_the_hub_has_its_parts_in_order_of_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, reachable=True)
    parts = {
        "train": [{"sentence": "b", "sentiment_score": 0.1}],
        "test": [{"sentence": "a ", "sentiment_score": -0.2}],
    }
    monkeypatch.setattr(datasets, "load_dataset", {"pauri32/fiqa-2018": parts}.__getitem__)
    assert read("fiqa", None)[0] == [("a", "negative", "fiqa"), ("b", "neutral", "fiqa")]


def test_a_zip_from_the_hub_is_checked_by_its_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect(monkeypatch, reachable=True)
    (tmp_path / "bank.zip").write_bytes(b"other")
    asked: list[tuple[object, ...]] = []

    def download(*given: object, **named: object) -> str:
        asked.append((*given, *named.values()))
        return str(tmp_path / "bank.zip")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    message = refusal(lambda: read("phrasebank", None))
    assert message.startswith(f"{tmp_path}/bank.zip: sha256 must be {PHRASEBANK_SHA256}, not ")
    file = f"data/{PHRASEBANK_ZIP}"
    assert asked == [("takala/financial_phrasebank", file, "dataset", "main")]
