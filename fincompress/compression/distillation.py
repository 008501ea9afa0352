"""Knowledge distillation: the objective of a student that learns from a teacher's logits.

Hinton, Vinyals and Dean (2015), "Distilling the Knowledge in a Neural Network".
"""

from collections.abc import Mapping

from torch import Tensor

from fincompress.models.conv_encoder import TextEncoder
from fincompress.training.batches import Batch
from fincompress.training.loop import Objective
from fincompress.training.losses import hard_loss, soft_loss


def distillation_objective(
    student: TextEncoder, teacher_logits: Tensor, temperature: float, alpha: float
) -> Objective:
    """Return the objective alpha T^2 KL(teacher_T || student_T) + (1 - alpha) cross-entropy.

    The index T means logits divided by the `temperature`, and the cross-entropy is that of the
    student with the labels. The first term is the mean over all sentences of a batch, the second
    over those that have a label. `teacher_logits` are those of the whole training set, (n, labels).
    """

    def objective(batch: Batch) -> Mapping[str, Tensor]:
        logits = student(batch.ids, batch.mask)  # (n, labels)
        soft = soft_loss(logits, teacher_logits[batch.rows], temperature)
        hard = hard_loss(logits, batch.labels)
        return {"loss": alpha * soft + (1 - alpha) * hard, "soft_loss": soft, "hard_loss": hard}

    return objective
