"""A torch artifact becomes a predictor in plain PyTorch, FP32."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fincompress.artifact import Artifact
from fincompress.models.storage import load_encoder
from fincompress.models.text import batches_by_length, encode, load_tokenizer, pad
from fincompress.runtimes import Predictor

BATCH = 32


def load(artifact: Artifact, threads: int) -> Predictor:
    model, tokenizer = load_encoder(artifact), load_tokenizer(artifact)
    torch.set_num_threads(threads)  # PyTorch has one setting for the process

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        ids = encode(tokenizer, texts)
        logits = np.empty((len(ids), model.layout.labels), dtype=np.float32)
        with torch.inference_mode():
            for rows in batches_by_length(ids, BATCH):
                padded, mask = pad([ids[row] for row in rows])
                answer = model(torch.from_numpy(padded), torch.from_numpy(mask))
                logits[rows] = answer.numpy()
        return logits

    return predict
