"""A teacher's answers: computed once for all processes, and again where the file is not right."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fincompress.artifact import Artifact
from fincompress.machine.cache import CACHE_VARIABLE
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.training import answers
from fincompress.training.answers import teacher_answers
from fincompress.training.batches import predict_logits

TEXTS = ("profit rose .", "sales fell .", "the company meets .")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the answers are kept; nothing is, in a file or in memory."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    teacher_answers.cache_clear()
    yield tmp_path / "cache" / "answers"
    teacher_answers.cache_clear()


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many sentences each computation answers."""
    counts: list[int] = []

    def record(model: Any, ids: Any, progress: str) -> torch.Tensor:
        counts.append(len(ids))
        return predict_logits(model, ids, progress)

    monkeypatch.setattr(answers, "predict_logits", record)
    return counts


def in_another_process(path: Path, texts: tuple[str, ...] = TEXTS) -> torch.Tensor:
    """What a process answers that has nothing in its memory."""
    teacher_answers.cache_clear()
    return teacher_answers(path, texts)


def test_answers_survive_the_process(base: Artifact, folder: Path, computed: list[int]) -> None:
    first = teacher_answers(base.path, TEXTS)
    expected = predict_logits(load_encoder(base), encode(load_tokenizer(base), TEXTS))
    assert torch.equal(first, expected)
    assert teacher_answers(base.path, TEXTS) is first, "without reading the file"
    again = in_another_process(base.path)
    assert torch.equal(again, first) and again.dtype == first.dtype
    assert computed == [3]
    (file,) = folder.iterdir()
    assert file.suffix == ".npy" and np.load(file, allow_pickle=False).shape == (3, 3)
    assert not (folder.parent.parent / "user").exists(), "one copy is enough"


def test_other_texts_another_model_or_another_length_are_answered_anew(
    base: Artifact, finbert: Path, tmp_path: Path, computed: list[int]
) -> None:
    teacher_answers(base.path, TEXTS)
    teacher_answers(base.path, TEXTS[::-1])
    teacher_answers(base.path, TEXTS[:2])
    for number, length in enumerate((32, 3)):
        other = import_checkpoint(Base(folder=str(finbert)), length, 0, tmp_path / f"{number}")
        teacher_answers(other.path, TEXTS)
    assert computed == [3, 3, 2, 3, 3]


def test_the_answers_belong_to_the_weights_and_not_to_their_place(
    base: Artifact, finbert: Path, tmp_path: Path, computed: list[int]
) -> None:
    made = [
        import_checkpoint(Base(folder=str(finbert)), 32, 0, tmp_path / name) for name in ("a", "b")
    ]
    found = [teacher_answers(artifact.path, TEXTS) for artifact in made]
    assert torch.equal(*found) and computed == [3]


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-4],
    "cut in its header": lambda content: content[:20],
    "a damaged header": lambda content: content.replace(b"{", b"("),
    "text": lambda content: b"not an array",
    "an archive": lambda content: b"PK\x03\x04" + content,
    "another shape": lambda content: npy(np.zeros((2, 3), dtype=np.float32)),
    "another type": lambda content: npy(np.zeros((3, 3), dtype=np.float64)),
    "no numbers": lambda content: npy(np.full((3, 3), np.nan, dtype=np.float32)),
    "pickled objects": lambda content: npy(np.full((3, 3), None)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_right_is_ignored_and_written_anew(
    base: Artifact, folder: Path, computed: list[int], damage: str
) -> None:
    first = teacher_answers(base.path, TEXTS)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(DAMAGES[damage](whole))
    assert torch.equal(in_another_process(base.path), first)
    assert computed == [3, 3]
    assert file.read_bytes() == whole
    assert list(folder.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_no_error(
    base: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[int]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    first = teacher_answers(base.path, TEXTS)
    assert (tmp_path / "user" / "fincompress" / "answers").is_dir(), "the next one is tried"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert torch.equal(in_another_process(base.path), first)
    assert torch.equal(teacher_answers(base.path, TEXTS), first)
    assert computed == [3, 3], "a process remembers them nevertheless"


def test_many_sentences_are_announced_where_they_are_computed(
    base: Artifact, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher_answers(base.path, TEXTS[:2])
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(answers, "MANY", 2)
    for _ in range(2):
        in_another_process(base.path)
    assert capsys.readouterr().out == "the teacher answers 3 sentences\n"
