"""Training sentences become TF-IDF with logistic regression: the floor every model must clear."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fincompress.runtimes import Predictor

NAME = "tfidf_floor"


def fit_floor(texts: Sequence[str], labels: Sequence[int]) -> Predictor:
    """Fit it; the predictor answers with log-probabilities, (n, labels)."""
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    ).fit(texts, labels)

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = model.predict_log_proba(list(texts)).astype(np.float32)
        return answer

    return predict
