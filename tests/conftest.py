"""Tiny models and corpora, built in memory and written once: a checkpoint that fits no student,
one of the students' width, and sixty sentences that a few epochs can learn."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import BertForSequenceClassification

from fincompress.artifact import Artifact
from fincompress.data import Sentences, Splits
from fincompress.data.labels import SENTIMENT
from fincompress.models.checkpoint import Base, import_checkpoint
from tests.support.projects import SMALL, Project, open_project, tiny_sentences, write_checkpoint


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: side by side, the quick ones fill what time is left."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is cached, such as which engine is the fastest, is of the tests alone, beside them."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("FINCOMPRESS_CACHE_DIR", "XDG_CACHE_HOME"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT too narrow for the students: 3 layers of width 32 with 2 heads."""
    folder = tmp_path_factory.mktemp("bases") / "narrow"
    return write_checkpoint(folder, width=32, layers=3, heads=2, ffn=48)


@pytest.fixture(scope="session")
def student_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of the shape of a project's students."""
    folder = tmp_path_factory.mktemp("bases") / "student"
    return write_checkpoint(folder, layers=4, **SMALL)


@pytest.fixture(scope="session")
def wide_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of the real students' width."""
    folder = tmp_path_factory.mktemp("bases") / "wide"
    return write_checkpoint(folder, width=384, layers=4, heads=12, ffn=1536)


@pytest.fixture(scope="session")
def base(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out = tmp_path_factory.mktemp("artifacts") / "base"
    return import_checkpoint(Base(folder=str(checkpoint)), 32, 0, out)


@pytest.fixture(scope="session")
def student_base(wide_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out = tmp_path_factory.mktemp("artifacts") / "student-base"
    return import_checkpoint(Base(folder=str(wide_checkpoint)), 32, 0, out)


@pytest.fixture(scope="session")
def splits() -> Splits:
    rows = [(text, label, "tiny") for text, label in tiny_sentences()]
    train, val, test = (Sentences.of(rows[start::3], SENTIMENT) for start in range(3))
    return Splits("tiny", train, val, test, notes=("tiny note",), synthetic=True)


@pytest.fixture
def project(tmp_path: Path, checkpoint: Path, student_checkpoint: Path) -> Iterator[Project]:
    with open_project(tmp_path, checkpoint, student_checkpoint) as opened:
        yield opened


@pytest.fixture(scope="session")
def finbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in FinBERT's label order, whose every weight matters: none is zero or one."""
    folder = tmp_path_factory.mktemp("bases") / "finbert"
    write_checkpoint(folder, width=24, layers=2, heads=3, ffn=40)
    model = BertForSequenceClassification.from_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def mine(finbert: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(finbert, tmp_path / "mine")
