"""Process that loads a registered model with the code logged with it, and predicts.

This is a program that must not import the package it lies in, only the one logged with the model.
It reads `{"model": "models:/name/3", "threads": 2, "batches": [["text", ...], ...], "calls": 200}`
from its input, and writes `{"labels": ["neutral", ...], "overhead_ms": 0.1, "way":
"onnx_runtime"}`, or `{"error": "..."}`, to its output.
The store's address is in its environment.
"""

import json
import os
import site
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

PACKAGE = "fincompress"


def answer_request() -> None:
    """Read a request from stdin, and write the predictions or the error to stdout."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no part of the answer
    try:
        answer = predict(**json.load(sys.stdin))
    except Exception as error:
        answer = {"error": str(error) or type(error).__name__}
    json.dump(answer, output)
    output.close()


def predict(
    model: str, threads: int, batches: Sequence[Sequence[str]], calls: int
) -> dict[str, Any]:
    """Load `model` and return its `labels` for all texts, its `overhead_ms` and its `way`.

    The overhead of a call, in ms, is the median of `calls`. `way` is what computes the logits, and
    empty if the model's code is too old to tell. Raises `ImportError` if the code that was imported
    is not the one logged with the model.
    """
    hide(PACKAGE)
    import mlflow

    known = list(sys.path)
    loaded = mlflow.pyfunc.load_model(model, model_config={"threads": threads})
    code = str(sys.modules[PACKAGE].__file__)
    carried = [folder for folder in sys.path if folder not in known]
    if not any(Path(code).is_relative_to(folder) for folder in carried):
        raise ImportError(f"its code is not its own: {PACKAGE} is {code}")
    labels = [answer["label"] for batch in batches for answer in loaded.predict(batch)]
    texts = [text for batch in batches for text in batch]
    way = getattr(loaded.unwrap_python_model().predictor, "way", "")
    return {"labels": labels, "overhead_ms": _overhead_ms(loaded, texts, calls), "way": way}


def hide(package: str) -> None:
    """Remove the import finders and paths by which an editable installation provides `package`."""
    for finder in [f for f in sys.meta_path if not _is_pythons(f)]:
        find = getattr(finder, "find_spec", None)  # finders of old have none
        if find is not None and find(package, None) is not None:
            sys.meta_path.remove(finder)
    installed = {*site.getsitepackages(), site.getusersitepackages()}
    sys.path[:] = [p for p in sys.path if p in installed or not (Path(p) / package).is_dir()]


def _is_pythons(finder: Any) -> bool:
    return str(getattr(finder, "__module__", "")).startswith(("_frozen_importlib", "importlib"))


def _overhead_ms(loaded: Any, texts: Sequence[str], calls: int) -> float:
    """Return the median time of a call with one text whose logits take no time, in ms."""
    inside = loaded.unwrap_python_model()
    logits = inside.predictor(texts[:1])
    inside.predictor = lambda texts: logits  # whose own time, milliseconds, would hide the rest
    seconds = []
    for call in range(calls):
        start = time.perf_counter()
        loaded.predict([texts[call % len(texts)]])
        seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds)


if __name__ == "__main__":
    answer_request()
