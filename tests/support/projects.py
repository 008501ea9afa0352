"""Tiny models, corpora and projects: built in memory and written once, learned in a few epochs."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertConfig, BertForSequenceClassification
from transformers.utils import logging

from fincompress import studies
from fincompress.callbacks import Chart, Heatmap
from fincompress.config import UserError

SHARED = Path(__file__).parents[3] / "shared" / "data"
WORDS = {
    "positive": ["rose", "improved", "gained"],
    "negative": ["fell", "declined", "sank"],
    "neutral": ["stayed", "meets", "located"],
}
# Of the students in a project: twelve heads like the real ones, of an eighth of their width.
SMALL = {"width": 48, "heads": 12, "ffn": 384}
SUBJECTS = ["profit", "sales", "orders", "turnover", "margin", "the company", "revenue"]


def tiny_sentences() -> list[tuple[str, str]]:
    """63 sentences, one for each subject and verb."""
    return [
        (f"{subject} {verb} .", label)
        for subject in SUBJECTS
        for label, verbs in WORDS.items()
        for verb in verbs
    ]


def tiny_tokenizer(folder: Path) -> Tokenizer:
    words = sorted({word for text, _ in tiny_sentences() for word in text.split()})
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters]
    pieces += [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.from_str(BertWordPieceTokenizer(str(folder / "vocab.txt")).to_str())


def write_checkpoint(folder: Path, *, width: int, layers: int, heads: int, ffn: int) -> Path:
    """Write a random Hugging Face BERT classifier whose labels are in FinBERT's order."""
    folder.mkdir(parents=True)
    tokenizer = tiny_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=ffn,
        max_position_embeddings=64,
        id2label={0: "positive", 1: "negative", 2: "neutral"},
        label2id={"positive": 0, "negative": 1, "neutral": 2},
    )
    logging.disable_progress_bar()
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@dataclass
class Log:
    """A report that keeps all that it is told."""

    steps: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    figures: dict[str, Chart | Heatmap] = field(default_factory=dict)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        self.steps.append((step, dict(metrics)))

    def show(self, name: str, figure: Chart | Heatmap) -> None:
        self.figures[name] = figure

    def record(self, name: str, facts: Mapping[str, object]) -> None:
        self.records[name] = facts


@dataclass(frozen=True)
class Project:
    """A folder in which commands run: its own store, experiments, and a corpus."""

    folder: Path

    @property
    def study_file(self) -> Path:
        return self.folder / "experiments" / "tiny.yaml"

    @property
    def study(self) -> dict[str, Any]:
        data: dict[str, Any] = yaml.safe_load(self.study_file.read_text())
        return data

    def change(self, **values: object) -> None:
        self.study_file.write_text(yaml.safe_dump(self.study | values))

    def keep(self, *names: str) -> None:
        """Leave the study these variants alone."""
        for file in (self.folder / "experiments" / "variants").glob("*.yaml"):
            if file.stem not in names:
                file.unlink()


def _make_small(file: Path) -> None:
    variant = yaml.safe_load(file.read_text())
    if variant["technique"] in ("distill_logits", "distill_hidden"):
        config = variant.setdefault("config", {})
        config["student"] = SMALL | config.get("student", {})
        file.write_text(yaml.safe_dump(variant, sort_keys=False))


@contextmanager
def open_project(
    folder: Path, checkpoint: Path, student_checkpoint: Path, *, small: bool = True
) -> Iterator[Project]:
    """The real variants, a study `tiny` and an empty store, in this folder; students are `small`
    or as wide as the real ones, and so is `student_checkpoint`."""
    real = studies.EXPERIMENTS
    for kind in ("variants", "ablations"):
        shutil.copytree(real / kind, folder / "experiments" / kind)
        for file in (folder / "experiments" / kind).glob("*.yaml"):
            if small:
                _make_small(file)
    rows = [{"text": text, "label": label} for text, label in tiny_sentences()]
    (folder / "tiny.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    loose = folder / "experiments" / "variants" / "student_ptq.yaml"
    loose.write_text(loose.read_text() + "config: {max_f1_drop: 0.99}\n")  # a guess is no drop
    study = {
        "description": "a study of seconds",
        "data": {"sources": [str(folder / "tiny.jsonl")]},
        "base": {"folder": str(checkpoint), "note": "a note of the base"},
        "student_base": {"folder": str(student_checkpoint)},
        "max_length_tokens": 32,
        "budget": {"epochs": 2, "patience": 1, "batch_size": 16},
        "benchmark": {
            "threads": 1,
            "warmup": 1,
            "latency_runs": 5,
            "padded_runs": 2,
            "throughput_sentences": 8,
            "throughput_passes": 1,
            "batches": [1, 8],
        },
        "peers": False,  # they take as long as all the rest
        "peers_of": "student_intermediate_kd",
        "gate": {"max_f1_drop": 0.9, "min_agreement": 0, "min_speedup": 0.001, "reliable": False},
    }
    project = Project(folder)
    project.study_file.write_text(yaml.safe_dump(study))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "EXPERIMENTS", folder / "experiments")
        patch.chdir(folder)
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "FINCOMPRESS_DATA_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        yield project
        while mlflow.active_run():
            mlflow.end_run()
    mlflow.set_tracking_uri(None)


def reviews(rows_of_a_label: int = 40) -> list[tuple[str, str]]:
    """German reviews with five labels, as many of each, no two alike."""
    things = ("Das Essen", "Der Service", "Das Zimmer", "Die Lage", "Das Frühstück")
    times = ("heute", "gestern", "am Montag", "im Mai", "am Abend", "immer", "diesmal", "zuletzt")
    verdicts = {
        "sehr gut": "war großartig",
        "gut": "war recht gut",
        "mittel": "war in Ordnung",
        "schlecht": "war leider schwach",
        "sehr schlecht": "war ganz furchtbar",
    }
    seen = [(thing, time) for time in times for thing in things][:rows_of_a_label]
    return [
        (f"{thing} {verdict} {time} .", label)
        for label, verdict in verdicts.items()
        for thing, time in seen
    ]


def write_csv(path: Path, rows: Sequence[tuple[str, object]]) -> str:
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    return str(path)


def refusal(call: Callable[[], object]) -> str:
    """Return the message of the `UserError` that `call` must raise."""
    with pytest.raises(UserError) as caught:
        call()
    return str(caught.value)
