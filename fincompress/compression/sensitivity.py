"""Quantization sensitivity: how much INT8 in one layer alone changes a model's predictions.

It is measured as the Kullback-Leibler divergence of the predictions with one layer in INT8 from
those with none: Cai et al. (2020), "ZeroQ: A Novel Zero Shot Quantization Framework". Rounding is
simulated as in `compression/quantization.py`, so that it describes the model and no runtime.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fincompress.callbacks import Callback, Heatmap
from fincompress.compression.quantization import QuantizedEmbedding, QuantizedLinear, rounding_only
from fincompress.models.encoder import Encoder
from fincompress.training.batches import EncodedSentences

SENSITIVITY_SENTENCES = 100  # each is answered once for every layer


@dataclass(frozen=True)
class Sensitivity:
    """The effect of rounding one linear layer, or all embedding tables, to INT8.

    `block`: the part of the encoder, "layer 2", "pooler" or "embeddings". `linear`: the linear
    layer in it, "attention.qkv"; empty if the block has only one. `kl`: the mean divergence from
    the predictions in FP32, in nats. `changed`: the share of sentences that get another label.
    `sentences`: how many were answered.
    """

    block: str
    linear: str
    kl: float
    changed: float
    sentences: int

    @property
    def name(self) -> str:
        """Block and linear layer."""
        return f"{self.block} {self.linear}".rstrip()


@torch.no_grad()
def layer_sensitivities(model: Encoder, data: EncodedSentences) -> list[Sensitivity]:
    """Return the sensitivity of each linear layer of a quantized `model`, and of its tables.

    They come in the order of the forward pass, the embedding tables first. Only the first
    `SENSITIVITY_SENTENCES` of `data` are answered.
    """
    count = SENSITIVITY_SENTENCES
    few = replace(data, ids=data.ids[:count], labels=data.labels[:count])
    batches = list(few.batches())
    expected = _log_probabilities(model, batches, [])
    sensitivities = []
    for block, linear, paths in _roundable(model):
        answers = _log_probabilities(model, batches, paths)
        kl = F.kl_div(answers, expected, reduction="batchmean", log_target=True).item()
        changed = (answers.argmax(1) != expected.argmax(1)).double().mean().item()
        sensitivities.append(Sensitivity(block, linear, kl, changed, len(few.ids)))
    return sensitivities


def show_sensitivities(callback: Callback, sensitivities: Sequence[Sensitivity]) -> None:
    """Show a heat map with a row for each block, and record all layers, most sensitive first."""
    rows: dict[str, list[float]] = {}
    for each in sensitivities:
        rows.setdefault(each.block, []).append(each.kl)
    columns = dict.fromkeys(each.linear for each in sensitivities if each.linear)
    title = "KL divergence from FP32, one layer in INT8"
    callback.show("sensitivity", Heatmap(title, f"0 to 3: {', '.join(columns)}", rows))
    ranked = sorted(sensitivities, key=lambda each: -each.kl)
    layers = [{"name": e.name, "kl": e.kl, "changed_labels": e.changed} for e in ranked]
    callback.record("sensitivity", {"sentences": sensitivities[0].sentences, "layers": layers})


def _roundable(model: Encoder) -> Iterator[tuple[str, str, list[str]]]:
    """What is rounded together: block, linear layer in it, and the paths of its modules."""
    modules = dict(model.named_modules())
    tables = [path for path, module in modules.items() if isinstance(module, QuantizedEmbedding)]
    yield "embeddings", "", tables
    for path, module in modules.items():
        if not isinstance(module, QuantizedLinear):
            continue
        if path.startswith("layers."):
            _, number, linear = path.split(".", 2)
            yield f"layer {int(number) + 1}", linear, [path]
        else:
            yield path, "", [path]


def _log_probabilities(
    model: Encoder, batches: Sequence[tuple[Tensor, Tensor]], paths: Sequence[str]
) -> Tensor:
    """Log-probabilities, (n, labels), with INT8 in `paths` alone.

    They are in FP64, as a divergence is a sum of small differences.
    """
    with rounding_only(model, paths):
        logits = torch.cat([model(ids, mask) for ids, mask in batches])
    return F.log_softmax(logits.double(), dim=-1)
