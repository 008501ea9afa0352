"""Speed of training: a few steps of a fixed model, by which the times of machines are compared."""

import time
from statistics import median

import torch
from torch.nn import functional as F

from fincompress.artifact import LayerLayout, Layout
from fincompress.models.encoder import Encoder
from fincompress.training.device import training_device

BATCH, TOKENS, STEPS = 32, 32, 5  # the first of the steps warms up
SHAPE = Layout(
    vocabulary=1000,
    positions=TOKENS,
    width=384,
    head_width=32,
    layers=(LayerLayout(heads=12, ffn=1536),) * 6,
    labels=3,
)


def step_seconds() -> float:
    """Return the median time of a training step on this machine, in seconds.

    The step is of AdamW, for a batch of `BATCH` of `TOKENS` tokens, in an encoder of random
    weights, six layers of width 384. The state of random numbers stays as it was.
    """
    device = training_device()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Encoder(SHAPE).to(device).train()
        ids = torch.randint(1, SHAPE.vocabulary, (BATCH, TOKENS), device=device)
        mask = torch.ones_like(ids, dtype=torch.bool)
        labels = torch.arange(BATCH, device=device) % SHAPE.labels
        optimizer = torch.optim.AdamW(model.parameters())
        seconds = []
        for _ in range(STEPS):
            begun = time.perf_counter()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(ids, mask), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()  # waits for a GPU
            seconds.append(time.perf_counter() - begun)
    return median(seconds[1:])
