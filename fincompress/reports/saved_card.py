"""Cards of saved models: a version's model card with metadata for the hub, and how to load it."""

import json
from typing import Any

import yaml

from fincompress.artifact import Manifest
from fincompress.config import UserError
from fincompress.models.huggingface import fits_bert
from fincompress.models.storage import TORCH_FORMAT
from fincompress.reports.model_card import LOADING
from fincompress.runtimes import cascade, onnx_runtime, openvino_runtime

CARD = "README.md"
ONNX_FILE = "onnx/model.onnx"
TRANSFORMERS, ONNX_RUNTIME, OWN = "transformers", "onnxruntime", "fincompress"
PACKAGE_CODE = """\
### With this package

Which loads `artifact/`, and checks its files first:

```python
import fincompress

model = fincompress.load("{folder}")
model.predict([{text}])
```"""
TRANSFORMERS_CODE = """\
### With `transformers`

```python
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
model = AutoModelForSequenceClassification.from_pretrained("{name}")
inputs = tokenizer([{text}], padding=True, truncation=True, return_tensors="pt")
with torch.inference_mode():
    logits = model(**inputs).logits  # (n, labels), in the order of model.config.id2label
```"""
ONNX_CODE = """\
### With ONNX Runtime

```python
import onnxruntime
{imports}from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")
session = onnxruntime.InferenceSession({file})
inputs = tokenizer([{text}], padding=True, truncation=True, return_tensors="np")
logits = session.run(None, dict(inputs))[0]  # (n, labels): {labels}
```

`transformers` alone cannot run this graph, and there are no other weights."""
OPENVINO_TEXT = """\
### Without this package

It takes OpenVINO itself: `artifact/model.xml` is the graph, with the inputs `ids` (int64) and \
`mask` (boolean), both (n, tokens), and the output `logits`; `artifact/tokenizer.json` is read by \
`tokenizers`. `transformers` and ONNX Runtime cannot load it."""


def standard_form(manifest: Manifest) -> str:
    """Return the library that can load a model whose artifact has this manifest.

    It is `TRANSFORMERS`, `ONNX_RUNTIME`, or `OWN` where there is none but this package.
    """
    if manifest.format == TORCH_FORMAT and fits_bert(manifest.layout):
        return TRANSFORMERS
    return ONNX_RUNTIME if manifest.format == onnx_runtime.FORMAT else OWN


def saved_card(card: str, manifest: Manifest, example: str, repo: str = "") -> str:
    """Return the card of a saved model as Markdown, after YAML that the hub reads.

    `card`: the model card of the registered version, or the card of a saved model, whose other
    metadata stay. `example`: a text to try it on. `repo`: owner/name where it is pushed to; '' for
    a folder. Raises `UserError` if the metadata of `card` are no YAML.
    """
    form = standard_form(manifest)
    before, body = _parts(card)
    facts: dict[str, Any] = {
        "pipeline_tag": "text-classification",
        "library_name": TRANSFORMERS if form == TRANSFORMERS else OWN,
        "tags": [OWN, manifest.format, manifest.technique],
    }
    if manifest.notes:
        facts |= {"license": "other", "license_name": "terms-of-data-and-base"}
    facts |= {key: value for key, value in before.items() if key not in facts}
    metadata = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
    parts = [f"---\n{metadata}---", body, LOADING, *_loading(manifest, form, example, repo)]
    if manifest.notes:
        parts += [
            "## Licence",
            "These notes on its data and its base hold for whoever uses the model or passes it on:",
            "\n".join(f"* {note}" for note in manifest.notes),
        ]
    return "\n\n".join(parts) + "\n"


def _parts(card: str) -> tuple[dict[str, Any], str]:
    """The metadata of a card, and the card up to how the model is loaded."""
    metadata, body = "{}", card
    if card.startswith("---\n"):
        metadata, _, body = card.removeprefix("---\n").partition("\n---\n")
    try:
        facts = dict(yaml.safe_load(metadata))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise UserError(
            f"{CARD}: the metadata above '---' must be a mapping in YAML: {why}"
        ) from None
    return facts, body.partition(f"\n{LOADING}\n")[0].strip()


def _loading(manifest: Manifest, form: str, example: str, repo: str) -> list[str]:
    text = json.dumps(example, ensure_ascii=False)
    name = repo or "."
    folder = f"./{repo.rpartition('/')[2]}" if repo else "."
    where = (
        f"    fincompress pull {repo}\n    fincompress predict --model {folder} {text}"
        if repo
        else "The code runs in the folder of this file."
    )
    own = PACKAGE_CODE.format(folder=folder, text=text)
    if form == TRANSFORMERS:
        return [where, own, TRANSFORMERS_CODE.format(name=name, text=text)]
    if form == ONNX_RUNTIME:
        code = ONNX_CODE.format(
            imports="from huggingface_hub import hf_hub_download\n" if repo else "",
            name=name,
            file=f'hf_hub_download("{repo}", "{ONNX_FILE}")' if repo else f'"{ONNX_FILE}"',
            text=text,
            labels=", ".join(manifest.labels),
        )
        return [where, own, code]
    if manifest.format == openvino_runtime.FORMAT:
        return [where, own, OPENVINO_TEXT]
    return [where, own, f"It needs this package: {_why_own(manifest)}."]


def _why_own(manifest: Manifest) -> str:
    """Why no other library can load the model."""
    if manifest.format == cascade.FORMAT:
        return (
            "it is two models and a threshold, and answers with the second what the first is "
            "unsure of"
        )
    layers = manifest.layout.layers
    heads, neurons = ([str(getattr(each, part)) for each in layers] for part in ("heads", "ffn"))
    return (
        f"its layers, as pruning left them, have {', '.join(heads)} attention heads and "
        f"{', '.join(neurons)} FFN neurons, and the BERT of `transformers` has layers all alike, "
        "with as many heads as its width has room for"
    )
