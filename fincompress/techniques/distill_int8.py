"""A student becomes a tiny one in INT8: fewer layers, FFN neurons, word pieces and positions.

Some layers of the source stay, of each the FFN neurons that matter most (`importance.py`), and of
the word pieces those of the training sentences and of frequent words (`models/vocabulary.py`).
What is left learns from the unpruned teacher by vanilla distillation, first as it is and then with
the rounding of INT8 (`models/quantized.py`).
Polino, Pascanu and Alistarh (2018), "Model Compression via Distillation and Quantization".
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import Field
from tokenizers import Tokenizer
from torch import nn

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback, after_epochs
from fincompress.compression.distillation import distillation_objective
from fincompress.compression.importance import taylor_importance
from fincompress.compression.pruning import KeptParts, prune_encoder
from fincompress.compression.quantization import freeze_quantization, quantize_encoder
from fincompress.compression.student import LayerMap, resolve_layer_map
from fincompress.compression.vocabulary import frequent_words, prune_embeddings, prune_tokenizer
from fincompress.config import Positive, UserError, settings
from fincompress.export import WRITERS, save_graph
from fincompress.models.encoder import Encoder
from fincompress.models.storage import load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.device import training_device
from fincompress.training.loop import Optimizer, fit

FAMILY = "quantize"
FORMATS = ("onnx", "openvino")


@settings
class Config:
    """`layers` of the source's stay, those that `layer_map` names, and each of them loses
    `ffn_ratio` of its FFN neurons.

    The last `int8_epochs` of the study's are trained in INT8, with scales from
    `calibration_sentences`. Of the words that no training sentence has, the `frequent_words` most
    frequent ones stay too. `transfer`: whether the study's transfer set is learned from too.
    """

    layers: Literal["all"] | Positive = "all"
    layer_map: LayerMap = "even"
    ffn_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.5
    frequent_words: Annotated[int, Field(ge=0)] = 3000
    temperature: Annotated[float, Field(gt=0)] = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    int8_epochs: Positive = 3
    calibration_sentences: Positive = 300
    scoring_sentences: Positive = 512
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)


def resolve(config: Config, inputs: Inputs) -> Config:
    source = inputs.source.manifest.layout
    layers = len(source.layers) if config.layers == "all" else config.layers
    if layers > len(source.layers):
        raise UserError(
            f"config.layers: must be at most the {len(source.layers)} of the source, not {layers}"
        )
    places = resolve_layer_map("layer_map", config.layer_map, layers, len(source.layers))
    epochs = min(config.int8_epochs, inputs.budget.epochs)
    transfer = config.transfer and bool(inputs.transfer)
    return replace(config, layers=layers, layer_map=places, int8_epochs=epochs, transfer=transfer)


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    model, tokenizer = shrink_source(inputs, config)
    train, val = inputs.encoded_splits(config.transfer, tokenizer)
    taught = inputs.teacher_logits(inputs.teacher, config.transfer)
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        # What is written in the end has this layout and this tokenizer.
        like = save_encoder(Path(scratch) / "like", model, tokenizer, inputs.identity(), {})
        done = inputs.budget.epochs - config.int8_epochs

        def learn(model: Encoder, start: int, epochs: int) -> dict[str, float]:
            return fit(
                model,
                distillation_objective(model, taught, config.temperature, config.alpha),
                train,
                val,
                budget=replace(inputs.budget, epochs=epochs),
                optimizer=config.optimizer,
                seed=inputs.seed,
                callback=after_epochs(start, callback),
            )

        if done:
            learn(model, 0, done)
        calibration = train.sample(config.calibration_sentences, inputs.seed)
        model = quantize_encoder(model.to(training_device()), calibration.batches())
        best = learn(model, done, config.int8_epochs)
        best |= {"best_epoch": done + best["best_epoch"]}
        final = freeze_quantization(model)
        return save_graph(
            out,
            WRITERS[inputs.format](final),
            like,
            inputs.identity(),
            inputs.runtime,
            model=final,
            judged_on=inputs.val,
            metrics=best,
        )


def shrink_source(inputs: Inputs, config: Config) -> tuple[Encoder, Tokenizer]:
    """The source without what `config` takes away, not yet trained again; and its tokenizer."""
    model, tokenizer = load_encoder(inputs.source), load_tokenizer(inputs.source)
    model.layers = nn.ModuleList(model.layers[int(place)] for place in config.layer_map)
    kept_layers = tuple(model.layout.layers[int(place)] for place in config.layer_map)
    positions = inputs.source.manifest.max_length_tokens
    model.layout = replace(model.layout, layers=kept_layers, positions=positions)
    model.positions.num_embeddings = positions
    model.positions.weight = nn.Parameter(model.positions.weight.detach()[:positions].clone())
    train, _ = inputs.encoded_splits()
    scores = taylor_importance(model, train.sample(config.scoring_sentences, inputs.seed)).neurons
    kept = []
    for layer, own in zip(kept_layers, scores, strict=True):
        best = own.topk(max(1, round((1 - config.ffn_ratio) * layer.ffn))).indices
        kept.append(replace(KeptParts.all(layer), neurons=tuple(sorted(best.tolist()))))
    model = prune_encoder(model, kept)
    words = [*inputs.corpus, *frequent_words(tokenizer, config.frequent_words)]
    tokenizer, pieces = prune_tokenizer(tokenizer, words)
    return prune_embeddings(model, pieces), tokenizer
