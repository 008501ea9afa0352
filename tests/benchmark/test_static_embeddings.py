"""Static embeddings, a peer by an optional library: what they learn, and that it may be absent."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fincompress.artifact import Artifact
from fincompress.benchmark import peers
from fincompress.benchmark.peers import has_model2vec, list_peers
from fincompress.benchmark.process import MODEL2VEC, Subject
from fincompress.benchmark.protocol import Timing, measure
from fincompress.data import Splits
from fincompress.evaluation.results import PADDED_P50, PARAMETERS, PRODUCTS, SIZE

TEXTS = ["profit rose .", "sales"]
TIMING = Timing(
    threads=1, warmup=1, latency_runs=20, padded_runs=2, throughput_batch=8, batches=(8,),
    throughput_sentences=8, throughput_passes=1,
)  # fmt: skip


def test_static_embeddings_learn_the_training_sentences(
    base: Artifact, splits: Splits, tmp_path: Path
) -> None:
    pytest.importorskip("model2vec")
    subject = list_peers(base, base, "student", splits, tmp_path)[MODEL2VEC]()
    few = replace(splits, test=splits.train)
    parts = {"train": splits.train.texts}
    subjects = [Subject("base", 1, "torch_eager", base), subject]
    (_, found) = measure(subjects, few, TIMING, parts=parts, version_parts={"x": TEXTS}).results
    logits = found.logits["train"]
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)
    right = logits.argmax(axis=1) == np.array(splits.train.labels)
    assert right.mean() > 0.8
    assert [*found.logits] == ["train"], "peers are not asked what versions alone answer"
    own, size = found.measurement, subject.size_mb
    assert (own.runtime, own.precision, own.version) == (MODEL2VEC, "f32", None)
    assert own.metrics[SIZE] == size and size is not None and size > 0
    assert not {PADDED_P50, PARAMETERS, PRODUCTS} & own.metrics.keys()


def test_static_embeddings_run_without_pytorch() -> None:
    """What else was imported would count as their memory."""
    pytest.importorskip("model2vec")
    code = (
        "import sys, fincompress.benchmark.static_classifier\n"
        "print(*(name.partition('.')[0] for name in sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert not {*done.stdout.split()} & {"torch", "transformers", "sklearn", "datasets", "mlflow"}


@pytest.mark.parametrize("missing", ["model2vec", "skeletoken"])
def test_without_their_library_there_are_no_static_embeddings(
    base: Artifact,
    splits: Splits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:
    there: Mapping[str, object] = {"model2vec": "a spec", "skeletoken": "a spec", missing: None}
    monkeypatch.setattr(peers, "find_spec", there.get)
    assert not has_model2vec()
    assert MODEL2VEC not in list_peers(base, base, "student", splits, tmp_path)
