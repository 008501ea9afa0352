"""TF-IDF with logistic regression: the floor, a baseline that every model should beat."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fincompress.runtimes import Predictor

FLOOR_NAME = "tfidf_floor"


def fit_floor(texts: Sequence[str], labels: Sequence[int]) -> Predictor:
    """Fit the floor to training texts and their classes.

    The predictor returns log-probabilities, (n, labels), in place of logits.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    ).fit(texts, labels)

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = model.predict_log_proba(list(texts)).astype(np.float32)
        return scores  # (n, labels)

    return predict
