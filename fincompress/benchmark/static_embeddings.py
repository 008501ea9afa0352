"""Static embeddings: a vector for each word piece, distilled and trained by Model2Vec.

The library is an optional extra of this package, `peers`. It distils the vectors from the teacher:
the mean of its last hidden states for the word piece alone, reduced to 256 dimensions by PCA and
weighted by the piece's rank in the vocabulary, which stands for its frequency. Then it trains
the vectors, and a classifier of their mean, on the sentences that the teacher has learned from,
until accuracy on validation has not risen for five epochs. All settings are the library's defaults.

Tulkens and van Dongen (2024), "Model2Vec: Fast State-of-the-Art Static Embeddings".
"""

import logging
import os
from contextlib import redirect_stderr
from pathlib import Path

from model2vec.distill import distill_from_model
from model2vec.train import StaticModelForClassification

from fincompress.artifact import Artifact
from fincompress.data import Splits
from fincompress.models.huggingface import HuggingFace, huggingface_tokenizer
from fincompress.training.device import training_device


def train_static_embeddings(teacher: Artifact, splits: Splits, out: Path) -> None:
    """Distil static embeddings from `teacher`, train them on `splits`, and save them in `out`.

    `load_static_classifier` reads the folder `out`. Raises `UserError` for a model whose layers
    differ, which Hugging Face's BERT cannot hold, and `ValueError` if validation has a label that
    no training sentence has.
    """
    logging.getLogger("model2vec").setLevel(logging.ERROR)  # it warns of its own defaults
    device = training_device().type
    encoder = HuggingFace(teacher).bert.bert
    encoder.name_or_path = str(teacher.path)  # a name that is no folder is looked up in the hub
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        static = distill_from_model(encoder, huggingface_tokenizer(teacher), device=device)
        classifier = StaticModelForClassification.from_static_model(model=static).fit(
            list(splits.learned.texts),
            list(splits.learned.labels),
            X_val=list(splits.val.texts),
            y_val=list(splits.val.labels),
            device=device,
        )
    classifier.to_pipeline().save_pretrained(str(out))
