"""TF-IDF with logistic regression: the floor, a baseline that every model should beat."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from fincompress.runtimes import Predictor

FLOOR_NAME = "tfidf_floor"


def fit_floor(texts: Sequence[str], labels: Sequence[int]) -> Predictor:
    """Fit the floor to training texts and their classes.

    The predictor returns log-probabilities, (n, labels), in place of logits.
    """
    try:
        model = _pipeline(ngram_range=(1, 2)).fit(texts, labels)
    except ValueError:  # no word occurs twice: the language writes none between spaces
        model = _pipeline(analyzer="char", ngram_range=(1, 3)).fit(texts, labels)

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = model.predict_log_proba(list(texts)).astype(np.float32)
        return scores  # (n, labels)

    return predict


def _pipeline(**units: Any) -> Pipeline:
    return make_pipeline(
        TfidfVectorizer(min_df=2, sublinear_tf=True, **units),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    )
