"""Sentences become batches of similar length; predictions keep the order of the sentences."""

import io
import sys
from pathlib import Path

import pytest
import torch

from fincompress.data import SENTIMENT
from fincompress.evaluation.metrics import classification_scores
from fincompress.models.checkpoint import Base, import_checkpoint
from fincompress.models.storage import load_encoder
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes import torch_eager
from fincompress.training import batches, device, loop
from fincompress.training.answers import teacher_answers
from fincompress.training.batches import EncodedSentences, predict_logits
from tests.support.projects import tiny_sentences
from tests.support.training import TRAIN, encoder, sentences


def test_shuffled_batches_cover_every_row_once_and_change_between_epochs() -> None:
    shuffler = torch.Generator().manual_seed(0)
    epochs = [batches.shuffled_batches(TRAIN.ids, 8, shuffler) for _ in range(3)]
    for drawn in epochs:
        assert sorted(row for batch in drawn for row in batch) == list(range(36))
        assert sorted(len(batch) for batch in drawn) == [4, 8, 8, 8, 8]
    members = [{frozenset(batch) for batch in drawn} for drawn in epochs]
    assert members[0] != members[1] != members[2] != members[0]


def test_a_batch_has_sentences_of_similar_length() -> None:
    # Lengths vary by a tenth at most in the ordering, so 10 and 20 never meet.
    ids = [[1] * (10 if i % 2 else 20) for i in range(16)]
    drawn = batches.shuffled_batches(ids, 4, torch.Generator().manual_seed(0))
    lengths = [{len(ids[row]) for row in batch} for batch in drawn]
    assert sorted(lengths, key=max) == [{10}, {10}, {20}, {20}]
    assert sorted(row for batch in drawn for row in batch) == list(range(16))


def test_a_batch_pads_its_own_rows() -> None:
    data = EncodedSentences([[2, 3], [2, 7, 8, 3], [2, 9, 3]], (2, 0, 1))
    batch = batches.make_batch(data, [2, 0])
    assert batch.rows.tolist() == [2, 0]
    assert batch.ids.tolist() == [[2, 9, 3], [2, 3, 0]]
    assert batch.mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.labels.tolist() == [1, 2]


def test_predictions_are_in_the_order_of_the_sentences() -> None:
    model, data = encoder(), sentences(70)  # more than one evaluation batch
    found = predict_logits(model, data.ids)
    assert (found.shape, found.dtype) == ((70, 3), torch.float32)
    assert len({tuple(row) for row in found.tolist()}) > 15
    for row in range(70):
        torch.testing.assert_close(found[row], predict_logits(model, data.ids[row : row + 1])[0])


def test_a_bar_counts_sentences_where_it_has_a_description_and_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, data = encoder(), sentences(70)
    for terminal, progress in ((True, "answers"), (True, ""), (False, "answers")):
        console = io.StringIO()
        monkeypatch.setattr(console, "isatty", lambda terminal=terminal: terminal)
        monkeypatch.setattr(sys, "stderr", console)
        predict_logits(model, data.ids, progress)
        shown = console.getvalue()
        assert shown.startswith("\ranswers:") if terminal and progress else shown == ""
        assert "/70 " in shown or not shown


def test_training_is_in_bfloat16_only_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for has, expected in ((False, "fp32"), (True, "bf16")):
        flags = {"avx2": True, "avx512_bf16": has, "amx_bf16": False}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert device.training_precision() == expected


@pytest.mark.parametrize("lesson", [False, True])
def test_answers_are_those_of_the_runtime_whatever_training_computes_in(
    finbert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lesson: bool
) -> None:
    """Validation's and the teacher's, in FP32; in bfloat16 they would be off by a thousandth."""
    monkeypatch.setattr(device, "training_precision", lambda: "bf16")
    artifact = import_checkpoint(Base(folder=str(finbert)), 32, 0, tmp_path / "teacher")
    texts, labels = zip(*tiny_sentences(), strict=True)
    expected = torch.from_numpy(torch_eager.load(artifact, torch.get_num_threads())(texts))
    model, ids = load_encoder(artifact), encode(load_tokenizer(artifact), texts)
    if lesson:
        found = teacher_answers(artifact.path, texts)
    else:
        found = predict_logits(model, ids)
        classes = tuple(SENTIMENT.index(label) for label in labels)
        shipped = classification_scores(classes, expected.argmax(1), SENTIMENT)
        assert loop.validation_scores(model, EncodedSentences(ids, classes)) == {
            f"val/{name}": value for name, value in shipped.items()
        }
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    with device.training_autocast(), torch.no_grad():
        rounded = model.to(device.training_device())(*batches.padded_tensors(ids)).float().cpu()
    assert (rounded - expected).abs().max() > 1e-3, "bfloat16 would have shown"
