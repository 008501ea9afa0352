"""Sentences become batches of similar length; predictions keep the order of the sentences."""

import pytest
import torch

from fincompress import training
from fincompress.training import Encoded, predict
from tests.test_training import TRAIN, encoder, sentences


def test_shuffled_batches_cover_every_row_once_and_change_between_epochs() -> None:
    shuffler = torch.Generator().manual_seed(0)
    epochs = [training._shuffled_batches(TRAIN.ids, 8, shuffler) for _ in range(3)]
    for batches in epochs:
        assert sorted(row for batch in batches for row in batch) == list(range(36))
        assert sorted(len(batch) for batch in batches) == [4, 8, 8, 8, 8]
    members = [{frozenset(batch) for batch in batches} for batches in epochs]
    assert members[0] != members[1] != members[2] != members[0]


def test_a_batch_has_sentences_of_similar_length() -> None:
    # Lengths vary by a tenth at most in the ordering, so 10 and 20 never meet.
    ids = [[1] * (10 if i % 2 else 20) for i in range(16)]
    batches = training._shuffled_batches(ids, 4, torch.Generator().manual_seed(0))
    lengths = [{len(ids[row]) for row in batch} for batch in batches]
    assert sorted(lengths, key=max) == [{10}, {10}, {20}, {20}]
    assert sorted(row for batch in batches for row in batch) == list(range(16))


def test_a_batch_pads_its_own_rows() -> None:
    data = Encoded([[2, 3], [2, 7, 8, 3], [2, 9, 3]], (2, 0, 1))
    batch = training.make_batch(data, [2, 0])
    assert batch.rows.tolist() == [2, 0]
    assert batch.ids.tolist() == [[2, 9, 3], [2, 3, 0]]
    assert batch.mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.labels.tolist() == [1, 2]


def test_predictions_are_in_the_order_of_the_sentences() -> None:
    model, data = encoder(), sentences(70)  # more than one evaluation batch
    found = predict(model, data.ids)
    assert (found.shape, found.dtype) == ((70, 3), torch.float32)
    assert len({tuple(row) for row in found.tolist()}) > 15
    for row in range(70):
        torch.testing.assert_close(found[row], predict(model, data.ids[row : row + 1])[0])


def test_training_is_in_bfloat16_only_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for has, expected in ((False, "fp32"), (True, "bf16")):
        flags = {"avx2": True, "avx512_bf16": has, "amx_bf16": False}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags)
        assert training.precision() == expected
