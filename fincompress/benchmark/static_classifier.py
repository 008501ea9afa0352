"""Static embeddings at inference: a table of vectors, their mean, and two matrix products in NumPy.

Needs no PyTorch, and hence stands apart from `static_embeddings`, which trains them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from model2vec.inference import StaticModelPipeline
from numpy.typing import NDArray

from fincompress.runtimes import Predictor


def load_static_classifier(folder: Path) -> Predictor:
    """Load what `train_static_embeddings` has saved in `folder`.

    The predictor returns log-probabilities, (n, labels), in place of logits.
    """
    model = StaticModelPipeline.from_pretrained(str(folder))

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        probabilities = model.predict_proba(list(texts)).astype(np.float32)  # (n, labels)
        logits: NDArray[np.float32] = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
        return logits  # (n, labels)

    return predict
