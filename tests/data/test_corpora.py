"""PhraseBank, FiQA and the hub: the known split, and one message for whatever is missing."""

import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import datasets
import huggingface_hub
import pytest

from fincompress.benchmark.tfidf import fit_floor
from fincompress.data import SENTIMENT, DataConfig, Splits, corpora, load_splits
from fincompress.data.corpora import PHRASEBANK_SHA256, PHRASEBANK_ZIP, read_rows
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.checkpoint import Base, fetch_checkpoint
from tests.support.projects import SHARED, refusal

REAL_FINGERPRINT = "dd7661396f0bb28441be00b09dc15352106b65a3eaccc1d6d6c91d80d0b9f004"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason=f"no corpora at {SHARED}")


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
    predictor = fit_floor(real.train.texts, real.train.labels)
    found = classification_scores(real.test.labels, predictor(real.test.texts).argmax(1), SENTIMENT)
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
    assert refusal(lambda: read_rows(source, tmp_path)) == (
        f"{tmp_path / missing}: not found; '{source}' is read from the folder given by data_dir "
        "or FINCOMPRESS_DATA_DIR, and from the Hugging Face Hub if neither is set"
    )


def test_another_phrasebank_zip_is_refused_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "financial_phrasebank" / PHRASEBANK_ZIP
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("FinancialPhraseBank-v1.0/Sentences_AllAgree.txt", "Sales rose .@positive")
    message = refusal(lambda: read_rows("phrasebank", tmp_path))
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
    assert read_rows("fiqa", tmp_path)[0] == [("a", label, "fiqa_posts")]


def test_fiqa_gives_a_row_for_each_aspect_with_files_in_order_of_name(tmp_path: Path) -> None:
    two = [{"sentiment_score": "0.5"}, {"sentiment_score": "-0.5"}]
    write_fiqa(tmp_path, "b", {"1": {"sentence": " late\tone ", "info": [two[0]]}})
    write_fiqa(tmp_path, "a", {"9": {"sentence": "both", "info": two}})
    assert read_rows("fiqa", tmp_path)[0] == [
        ("both", "positive", "fiqa"),
        ("both", "negative", "fiqa"),
        ("late one", "positive", "fiqa"),
    ]


@pytest.mark.parametrize(
    "entries", [[], {"1": {"sentence": "a"}}, {"1": {"sentence": "a", "info": [{}]}}, {"1": "a"}]
)
def test_a_file_of_another_form_is_no_fiqa_file(tmp_path: Path, entries: Any) -> None:
    path = write_fiqa(tmp_path, "post", entries)
    message = refusal(lambda: read_rows("fiqa", tmp_path))
    assert message.startswith(f"{path}: is not a FiQA task 1 file: ")


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
    info = (lambda *given: SimpleNamespace(sha="abc")) if reachable else fail
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)


def fail(*given: object, **named: object) -> NoReturn:
    raise ConnectionError("nobody answers\nsecond line")


@pytest.mark.parametrize(
    ("repo", "call"),
    [
        ("takala/financial_phrasebank", lambda: read_rows("phrasebank", None)),
        ("pauri32/fiqa-2018", lambda: read_rows("fiqa", None)),
        (
            "ProsusAI/finbert",
            lambda: fetch_checkpoint(Base(hub="ProsusAI/finbert", revision="4" * 40)),
        ),
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
    refusal(lambda: read_rows("phrasebank", None))
    assert seen == [not reachable]


def test_a_corpus_from_the_hub_has_its_parts_in_order_of_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect(monkeypatch, reachable=True)
    parts = {
        "train": [{"sentence": "b", "sentiment_score": 0.1, "format": "post"}],
        "test": [{"sentence": "a ", "sentiment_score": -0.2}],
    }
    shelf = {("pauri32/fiqa-2018", "abc"): parts}
    monkeypatch.setattr(datasets, "load_dataset", lambda repo, revision: shelf[repo, revision])
    rows, note = read_rows("fiqa", None)
    assert rows == [("a", "negative", "fiqa"), ("b", "neutral", "fiqa_posts")]
    assert note.endswith("Read from pauri32/fiqa-2018 at revision abc.")


def test_another_split_from_the_hub_is_used_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"{label} {i}", label, "fiqa") for label in SENTIMENT for i in range(10)]
    monkeypatch.setitem(corpora.CORPORA, "fiqa", lambda data_dir: (rows, "licence"))
    config = DataConfig(sources=("fiqa",), fingerprint=REAL_FINGERPRINT)
    found = load_splits(config, None)
    assert found.notes[0] == "licence"
    assert found.notes[1].startswith("Another split than the one this study was made for: ")
    assert found.notes[1] in capsys.readouterr().out
    assert "this study was made for" in refusal(lambda: load_splits(config, SHARED))


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
    message = refusal(lambda: read_rows("phrasebank", None))
    assert message.startswith(f"{tmp_path}/bank.zip: sha256 must be {PHRASEBANK_SHA256}, not ")
    file = f"data/{PHRASEBANK_ZIP}"
    assert asked == [("takala/financial_phrasebank", file, "dataset", "main")]
