"""Convolutional distillation: a student without attention learns to predict what the teacher does.

The student has the teacher's tokenizer and word embeddings, projected onto their principal
components, and in place of the encoder's layers convolutions of several widths, over others with a
residual connection (`models/conv_encoder.py`). Only pieces that occur in the texts it learns from
keep an embedding of their own. It is trained from scratch, so it needs many texts, which a transfer
set has; and as it costs a small part of an encoder with attention, it may see all of them in each
of its epochs.

Objective, where the index T means that logits are divided by the temperature T:

    loss = alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy(student, labels)

The embedding table is stored in INT8.

Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network". Kim (2014),
"Convolutional Neural Networks for Sentence Classification". Ye et al. (2022), "Sparse Distillation:
Speeding Up Text Classification by Using Bigger Student Models", for students that only look up.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fincompress.artifact import Artifact, ConvolutionLayout, Layout
from fincompress.callbacks import Callback
from fincompress.compression.distillation import distillation_objective
from fincompress.compression.quantization import freeze_embeddings
from fincompress.config import Positive, settings
from fincompress.export import save_model
from fincompress.models.conv_encoder import ConvEncoder
from fincompress.models.storage import load_encoder, save_encoder
from fincompress.models.tokenization import PADDING, load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.loop import Budget, Optimizer, fit

FAMILY = "distill"
FORMATS = ("onnx", "openvino")
# BERT's embeddings are scaled up, as they are small beside what convolutions start with.
EMBEDDING_STD = 0.75


@settings
class Config:
    """Settings of convolutional distillation.

    `width`: the size of an embedding. `residual_convolutions`: how many convolutions stand before
    those whose highest values are the features. `tokens`: how many neighbours each of these sees.
    `filters`: the outputs of each.
    `temperature`: T, by which logits are divided; higher values show the student more of how the
    teacher ranks the other labels.
    `alpha`: the weight of the teacher against the labels, 0 to 1.
    `transfer`: whether the study's transfer set, which has no labels, is learned from too.
    `epochs`: passes over all sentences, of labelled ones and of the transfer set alike. They take
    the place of the study's budget, whose epochs are for encoders with attention.
    `batch_size`: sentences in a batch.
    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    width: Positive = 96
    residual_convolutions: Annotated[int, Field(ge=0)] = 2
    tokens: tuple[Positive, ...] = (1, 2, 3, 5)
    filters: Positive = 64
    temperature: Annotated[float, Field(gt=0)] = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    transfer: bool = True
    epochs: Positive = 6
    batch_size: Positive = 64
    optimizer: Optimizer = Optimizer(learning_rate=2e-3, averaging=0.999)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` with a width that the source has, and `transfer` only if there is such."""
    return replace(
        config,
        width=min(config.width, inputs.source.manifest.layout.width),
        transfer=config.transfer and bool(inputs.transfer),
        epochs=inputs.budget.epochs if inputs.shape_only else config.epochs,
    )


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Train the student, and write its graph with the embedding table in INT8."""
    train, val = inputs.encoded_splits(config.transfer)
    teacher_logits = inputs.teacher_logits(inputs.source, config.transfer)
    model = _make_student(inputs, config, {i for row in train.ids for i in row})
    best = fit(
        model,
        distillation_objective(model, teacher_logits, config.temperature, config.alpha),
        train,
        val,
        budget=Budget(epochs=config.epochs, patience=config.epochs, batch_size=config.batch_size),
        keep_last=True,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    final = freeze_embeddings(model)
    with TemporaryDirectory(prefix="fincompress-") as scratch:
        # The graph takes layout and tokenizer from this artifact.
        like = save_encoder(
            Path(scratch) / "like", model, load_tokenizer(inputs.source), inputs.identity(), {}
        )
        return save_model(
            out,
            final,
            like,
            inputs.identity(),
            inputs.runtime,
            metrics=best,
        )


def _make_student(inputs: Inputs, config: Config, seen: set[int]) -> ConvEncoder:
    """A student, not yet trained, with an embedding of its own for each of the ids `seen`."""
    like = inputs.source.manifest.layout
    tokenizer = load_tokenizer(inputs.source)
    unknown = tokenizer.get_vocab()[tokenizer.model.unk_token]
    kept = sorted(({unknown} | seen) - {PADDING})
    rows = torch.full((like.vocabulary,), 1 + kept.index(unknown))  # row 0 is that of padding
    rows[kept] = torch.arange(1, len(kept) + 1)
    rows[PADDING] = 0
    layout = Layout(
        vocabulary=like.vocabulary,
        positions=like.positions,
        width=config.width,
        head_width=0,
        layers=(),
        labels=like.labels,
        convolutions=tuple(
            ConvolutionLayout(tokens=tokens, filters=config.filters) for tokens in config.tokens
        ),
        residual_convolutions=config.residual_convolutions,
        embeddings=len(kept) + 1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(inputs.seed)
        model = ConvEncoder(layout, rows)
    words = load_encoder(inputs.source).words.weight.detach()[kept]  # (kept, width of the source)
    with torch.no_grad():
        model.words.weight[1:] = _principal_components(words, config.width)
    return model


def _principal_components(words: Tensor, width: int) -> Tensor:
    """The embeddings (n, any) in their first `width` principal components, (n, width), scaled."""
    centred = words - words.mean(0)
    covariance = (centred.T @ centred).double()
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :width].float()
    projected: Tensor = centred @ directions
    return projected * (EMBEDDING_STD / projected.std())
