"""Batches: tokenized sentences, padded tensors on the training device, and a model's logits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fincompress.config import UserError
from fincompress.data import SENTIMENT
from fincompress.models.conv_encoder import TextEncoder
from fincompress.models.tokenization import Ids, batches_by_length, pad
from fincompress.training.device import training_device
from fincompress.training.losses import UNLABELLED

EVALUATION_BATCH = 64
# Batches of training hold sentences of similar length, which saves padding. Lengths are multiplied
# by a random factor of up to 1 + this before sorting, so that the members vary by epoch.
LENGTH_JITTER = 0.1


@dataclass(frozen=True)
class EncodedSentences:
    """Tokenized sentences with their labels.

    `ids`: the token ids of each sentence, unpadded. `labels`: their class indices, (n,), or
    `UNLABELLED`. `label_names`: the names of the classes.
    """

    ids: Ids
    labels: tuple[int, ...]
    label_names: tuple[str, ...] = SENTIMENT

    def sample(self, count: int, seed: int) -> "EncodedSentences":
        """Return `count` labelled sentences drawn at random, or all if there are fewer.

        Raises `UserError` if that leaves no sentence.
        """
        labelled = np.flatnonzero(np.array(self.labels) != UNLABELLED)
        rows = np.random.default_rng(seed).permutation(labelled)[:count].tolist()
        if not rows:
            raise UserError(
                "calibration and scoring need at least one training sentence, not "
                f"{count} of {len(labelled)}"
            )
        return replace(
            self,
            ids=[self.ids[row] for row in rows],
            labels=tuple(self.labels[row] for row in rows),
        )

    def count_drawn(self, unlabelled: int | None) -> int:
        """Return how many sentences `draw` returns, with at most `unlabelled` without a label."""
        without = self.labels.count(UNLABELLED)
        drawn = without if unlabelled is None else min(unlabelled, without)
        return len(self.labels) - without + drawn

    def draw(self, unlabelled: int | None, shuffler: torch.Generator) -> list[int]:
        """Return the indices of an epoch's sentences, in ascending order.

        They are all that have a label, and at most so many as `unlabelled` of the others, drawn at
        random; None for all. `shuffler` advances only if some are left out.
        """
        if self.count_drawn(unlabelled) == len(self.labels):
            return list(range(len(self.labels)))
        without = torch.tensor([label == UNLABELLED for label in self.labels])
        others = without.nonzero().flatten()
        drawn = others[torch.randperm(len(others), generator=shuffler)[:unlabelled]]
        without[drawn] = False
        return (~without).nonzero().flatten().tolist()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ids and mask, (n, tokens) each, of sentences of similar length."""
        for rows in batches_by_length(self.ids, EVALUATION_BATCH):
            yield padded_tensors([self.ids[row] for row in rows])


@dataclass(frozen=True)
class Batch:
    """A training batch of n sentences.

    `rows`: the indices of its sentences in the training set, (n,), on the CPU: the stored answers
    of a teacher are looked up by them. On the training device are `ids`: token ids, (n, tokens);
    `mask`: (n, tokens), false at padding; `labels`: class indices, (n,), or `UNLABELLED`.
    """

    rows: Tensor
    ids: Tensor
    mask: Tensor
    labels: Tensor


@torch.no_grad()
def predict_logits(model: TextEncoder, ids: Ids, progress: str = "") -> Tensor:
    """Return the logits of all sentences, (n, labels), in the order of `ids`, on the CPU.

    On a terminal, a bar that `progress` describes counts the sentences, unless it is empty.

    They are computed in FP32 on every device, as the PyTorch runtime does. Only training steps use
    a faster precision: validation scores the model that ships.
    """
    model.to(training_device()).eval()
    logits = torch.empty(len(ids), model.layout.labels)
    hidden = None if progress else True  # None for a bar on a terminal alone
    with tqdm(total=len(ids), desc=progress, unit="", disable=hidden, leave=False) as bar:
        for rows in batches_by_length(ids, EVALUATION_BATCH):
            logits[rows] = model(*padded_tensors([ids[i] for i in rows])).cpu()
            bar.update(len(rows))
    return logits


def padded_tensors(ids: Ids) -> tuple[Tensor, Tensor]:
    """Return padded ids and their mask, (n, tokens) each, on the training device."""
    padded, mask = pad(ids)
    return (
        torch.from_numpy(padded).to(training_device()),
        torch.from_numpy(mask).to(training_device()),
    )


def make_batch(data: EncodedSentences, rows: Sequence[int]) -> Batch:
    """Return the sentences of `data` at the indices `rows` as a batch."""
    ids, mask = padded_tensors([data.ids[i] for i in rows])
    labels = torch.tensor([data.labels[i] for i in rows], device=training_device())
    return Batch(torch.tensor(rows), ids, mask, labels)


def shuffled_batches(ids: Ids, size: int, shuffler: torch.Generator) -> list[list[int]]:
    """Return the batches of one epoch, as indices of sentences.

    Each holds `size` sentences of similar length, the longest perhaps fewer. Members and order
    change from epoch to epoch, as `shuffler` advances.
    """
    lengths = torch.tensor([len(row) for row in ids], dtype=torch.float64)
    jitter = 1 + LENGTH_JITTER * torch.rand(len(ids), generator=shuffler, dtype=torch.float64)
    batches = torch.split((lengths * jitter).argsort(), size)
    order = torch.randperm(len(batches), generator=shuffler)
    return [batches[i].tolist() for i in order]
