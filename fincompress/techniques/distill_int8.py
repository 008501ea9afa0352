"""Quantized distillation: a student is shrunk, and learns from the teacher, at the end in INT8.

The source is shrunk in four ways before any training: only the layers in `layer_map` stay; of each,
only the FFN neurons with the highest Taylor importance (`compression/importance.py`); of the
vocabulary, the word pieces of the training sentences and of frequent words
(`compression/vocabulary.py`); of the positions, as many as the maximum length needs.

Objective, where the index T means that logits are divided by the temperature T, and the teacher is
the unpruned one:

    loss = alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy(student, labels)

The last epochs are trained with the rounding of INT8 in every linear layer and embedding
(`compression/quantization.py`).

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
from fincompress.export import save_model
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
    """Settings of quantized distillation.

    `layers`: how many of the source's layers stay, or `all`.
    `layer_map`: which layers these are, as indices from 0; `even` spaces them evenly, first and
    last included.
    `ffn_ratio`: the share of the FFN neurons that is removed from each layer.
    `frequent_words`: how many of the vocabulary's most frequent words stay even if no training
    sentence contains them, so that other text can be read.
    `temperature`: T, by which logits are divided; higher values show the student more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `int8_epochs`: how many of the study's epochs, the last ones, are trained in INT8.
    `calibration_sentences`: training sentences from which the scales of INT8 are initialized.
    `scoring_sentences`: training sentences on which the importance of neurons is measured.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
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
    """Return `config` with layers, epochs in INT8 and use of the transfer set resolved."""
    source = inputs.source.manifest.layout
    layers = len(source.layers) if config.layers == "all" else config.layers
    if layers > len(source.layers):
        raise UserError(
            f"config.layers: must be at most the {len(source.layers)} of the source, not {layers}"
        )
    layer_map = resolve_layer_map("layer_map", config.layer_map, layers, len(source.layers))
    epochs = min(config.int8_epochs, inputs.budget.epochs)
    transfer = config.transfer and bool(inputs.transfer)
    return replace(
        config, layers=layers, layer_map=layer_map, int8_epochs=epochs, transfer=transfer
    )


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Shrink the source, train it in floating point and then in INT8, and write its graph."""
    model, tokenizer = shrink_source(inputs, config)
    train, val = inputs.encoded_splits(config.transfer, tokenizer)
    teacher_logits = inputs.teacher_logits(inputs.teacher, config.transfer)
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        # The graph takes layout and tokenizer from this artifact.
        like = save_encoder(Path(scratch) / "like", model, tokenizer, inputs.identity(), {})
        float_epochs = inputs.budget.epochs - config.int8_epochs

        def distill(model: Encoder, done: int, epochs: int) -> dict[str, float]:
            return fit(
                model,
                distillation_objective(model, teacher_logits, config.temperature, config.alpha),
                train,
                val,
                budget=replace(inputs.budget, epochs=epochs),
                optimizer=config.optimizer,
                seed=inputs.seed,
                callback=after_epochs(done, callback),
            )

        if float_epochs:
            distill(model, 0, float_epochs)
        calibration = train.sample(config.calibration_sentences, inputs.seed)
        model = quantize_encoder(model.to(training_device()), calibration.batches())
        best = distill(model, float_epochs, config.int8_epochs)
        best |= {"best_epoch": float_epochs + best["best_epoch"]}
        final = freeze_quantization(model)
        return save_model(
            out,
            final,
            like,
            inputs.identity(),
            inputs.runtime,
            judged_on=inputs.val,
            metrics=best,
        )


def shrink_source(inputs: Inputs, config: Config) -> tuple[Encoder, Tokenizer]:
    """Return the source without the parts that `config` removes, and its smaller tokenizer.

    The model still has to be trained: it has lost accuracy.
    """
    model, tokenizer = load_encoder(inputs.source), load_tokenizer(inputs.source)
    model.layers = nn.ModuleList(model.layers[int(layer)] for layer in config.layer_map)
    kept_layers = tuple(model.layout.layers[int(layer)] for layer in config.layer_map)
    positions = inputs.source.manifest.max_length_tokens
    model.layout = replace(model.layout, layers=kept_layers, positions=positions)
    model.positions.num_embeddings = positions
    model.positions.weight = nn.Parameter(model.positions.weight.detach()[:positions].clone())
    train, _ = inputs.encoded_splits()
    scores = taylor_importance(model, train.sample(config.scoring_sentences, inputs.seed)).neurons
    kept = []
    for layer, of_neurons in zip(kept_layers, scores, strict=True):
        best = of_neurons.topk(max(1, round((1 - config.ffn_ratio) * layer.ffn))).indices
        kept.append(replace(KeptParts.all(layer), neurons=tuple(sorted(best.tolist()))))
    model = prune_encoder(model, kept)
    words = [*inputs.corpus, *frequent_words(tokenizer, config.frequent_words)]
    tokenizer, pieces = prune_tokenizer(tokenizer, words)
    return prune_embeddings(model, pieces), tokenizer
