"""Fine-tuning: a pretrained encoder learns the task, with all of its weights. This is the teacher.

Objective:

    loss = cross-entropy(logits, labels)

The epoch with the best validation macro-F1 is kept. Unlike in the paper, weights are averaged over
training steps (see `training.loop.Optimizer`).

Devlin et al. (2019), "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", section 3.2.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fincompress.artifact import Artifact
from fincompress.callbacks import Callback
from fincompress.config import settings
from fincompress.models.storage import TORCH_FORMAT, load_encoder, save_encoder
from fincompress.models.tokenization import load_tokenizer
from fincompress.techniques import Inputs
from fincompress.training.batches import Batch
from fincompress.training.loop import Optimizer, fit
from fincompress.training.losses import hard_loss

FAMILY = "teacher"
FORMATS = (TORCH_FORMAT,)


@settings
class Config:
    """Settings of fine-tuning.

    `optimizer`: learning rate, weight decay and the like; see `training.loop.Optimizer`.
    """

    optimizer: Optimizer = Optimizer(learning_rate=1e-4)


def resolve(config: Config, inputs: Inputs) -> Config:
    """Return `config` unchanged: it has no symbolic choices."""
    return config


def compress(inputs: Inputs, config: Config, out: Path, callback: Callback) -> Artifact:
    """Fine-tune the source on the labelled training sentences."""
    model = load_encoder(inputs.source)
    train, val = inputs.encoded_splits()

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        return {"loss": hard_loss(model(batch.ids, batch.mask), batch.labels)}

    best = fit(
        model,
        objective,
        train,
        val,
        budget=inputs.budget,
        optimizer=config.optimizer,
        seed=inputs.seed,
        callback=callback,
    )
    return save_encoder(out, model, load_tokenizer(inputs.source), inputs.identity(), best)
