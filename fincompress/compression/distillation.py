"""compression.distillation: TODO"""

from collections.abc import Mapping

from torch import Tensor

from fincompress.models.encoder import Encoder
from fincompress.training.batches import Batch
from fincompress.training.loop import Objective
from fincompress.training.losses import hard_loss, soft_loss


def distillation_objective(
    model: Encoder, taught: Tensor, temperature: float, alpha: float
) -> Objective:
    """Return alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy with the labels.

    `taught` holds the teacher's logits, (n, labels) of the training set; the index T means logits
    divided by the temperature. The first is the mean over all sentences of a batch, the second
    over those that have a label. Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a
    Neural Network".
    """

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        logits = model(batch.ids, batch.mask)
        soft = soft_loss(logits, taught[batch.rows], temperature)
        hard = hard_loss(logits, batch.labels)
        return {"loss": alpha * soft + (1 - alpha) * hard, "soft_loss": soft, "hard_loss": hard}

    return objective
