"""A quantized model and sentences become what INT8 does to its answers in each place alone.

That is the Kullback-Leibler divergence of the answers with one layer in INT8 from those with none:
Cai et al. (2020), "ZeroQ: A Novel Zero Shot Quantization Framework". It describes the model, by our
own rounding, and not the kernels of a runtime.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fincompress.callbacks import Callback, Heatmap
from fincompress.compression.quantization import QuantizedEmbedding, QuantizedLinear, rounding_only
from fincompress.models.encoder import Encoder
from fincompress.training.batches import EncodedSentences

SENSITIVITY_SENTENCES = 100


@dataclass(frozen=True)
class Sensitivity:
    """What rounding one linear layer, or all tables, changes in the answers to `sentences`.

    `kl` is the mean divergence, in nats; `changed` the share of labels that are others.
    """

    place: str  # "layer 2", "pooler", "embeddings"
    linear: str  # "attention.qkv"; "" where the place has but one
    kl: float
    changed: float
    sentences: int

    @property
    def name(self) -> str:
        return f"{self.place} {self.linear}".rstrip()


@torch.no_grad()
def layer_sensitivities(model: Encoder, data: EncodedSentences) -> list[Sensitivity]:
    """Measure every linear layer of a quantized `model` alone, and the tables as one, in order.

    Only the first `SENSITIVITY_SENTENCES` of `data` are answered, once for each layer.
    """
    few = EncodedSentences(data.ids[:SENSITIVITY_SENTENCES], data.labels[:SENSITIVITY_SENTENCES])
    batches = list(few.batches())
    expected = _answers(model, batches, [])
    found = []
    for place, linear, paths in _places(model):
        answers = _answers(model, batches, paths)
        kl = F.kl_div(answers, expected, reduction="batchmean", log_target=True).item()
        changed = (answers.argmax(1) != expected.argmax(1)).double().mean().item()
        found.append(Sensitivity(place, linear, kl, changed, len(few.ids)))
    return found


def show_sensitivities(callback: Callback, found: Sequence[Sensitivity]) -> None:
    """Show a row for each layer, and record all, the most sensitive first."""
    rows: dict[str, list[float]] = {}
    for each in found:
        rows.setdefault(each.place, []).append(each.kl)
    columns = dict.fromkeys(each.linear for each in found if each.linear)
    title = "KL divergence from FP32, one layer in INT8"
    callback.show("sensitivity", Heatmap(title, f"0 to 3: {', '.join(columns)}", rows))
    ranked = sorted(found, key=lambda each: -each.kl)
    layers = [{"name": e.name, "kl": e.kl, "changed_labels": e.changed} for e in ranked]
    callback.record("sensitivity", {"sentences": found[0].sentences, "layers": layers})


def _places(model: Encoder) -> Iterator[tuple[str, str, list[str]]]:
    """Place, linear layer in it, and the paths of the modules that belong to it."""
    modules = dict(model.named_modules())
    tables = [path for path, module in modules.items() if isinstance(module, QuantizedEmbedding)]
    yield "embeddings", "", tables
    for path, module in modules.items():
        if not isinstance(module, QuantizedLinear):
            continue
        if path.startswith("layers."):
            _, place, linear = path.split(".", 2)
            yield f"layer {int(place) + 1}", linear, [path]
        else:
            yield path, "", [path]


def _answers(
    model: Encoder, batches: Sequence[tuple[Tensor, Tensor]], paths: Sequence[str]
) -> Tensor:
    """Logarithms of probabilities, (n, labels); FP64, as divergences are small differences."""
    with rounding_only(model, paths):
        logits = torch.cat([model(ids, mask) for ids, mask in batches])
    return F.log_softmax(logits.double(), dim=-1)
