"""Encoder storage: saves an encoder as a torch artifact (safetensors, tokenizer) and loads it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from fincompress.artifact import TOKENIZER, Artifact, write_artifact
from fincompress.models.conv_encoder import TextEncoder
from fincompress.models.encoder import Encoder, parameter_count

TORCH_FORMAT = "torch"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Identity:
    """The fields of a `Manifest` that are decided before the artifact is built.

    `technique`: what makes it. `fingerprint`: of its recipe. `labels`: the names of its classes, in
    the order of its logits. `max_length_tokens`: where its tokenizer truncates. `notes`: licences
    and warnings that it has to carry.
    """

    technique: str
    fingerprint: str
    labels: tuple[str, ...]
    max_length_tokens: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, artifact: Artifact) -> "Identity":
        """Return the identity in the manifest of an artifact."""
        return cls(**{f.name: getattr(artifact.manifest, f.name) for f in fields(cls)})


def save_encoder(
    out: Path,
    model: TextEncoder,
    tokenizer: Tokenizer,
    identity: Identity,
    metrics: Mapping[str, float],
) -> Artifact:
    """Write `model` and its `tokenizer` as the artifact `out`, with `metrics` in the manifest.

    Raises `OSError` if they cannot be written, or if `out` has files already.
    """

    def write(draft: Path) -> None:
        state = model.state_dict()
        weights = {name: state[name].cpu().contiguous() for name in state}
        with writing(out):
            save_file(weights, draft / WEIGHTS)
            tokenizer.save(str(draft / TOKENIZER), pretty=False)

    return write_artifact(out, write, manifest_facts(model, identity, metrics))


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Raise `OSError` for whatever is raised in the context by libraries that write into `out`.

    Neither safetensors nor tokenizers raises it for a full disk.
    """
    try:
        yield
    except Exception as error:
        raise OSError(f"{out}: cannot be written: {error}") from error


def manifest_facts(
    model: TextEncoder, identity: Identity, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return the fields of the `Manifest` that `save_encoder` writes, without `files`."""
    return vars(identity) | {
        "format": TORCH_FORMAT,
        "layout": model.layout,
        "parameters": parameter_count(model),
        "metrics": dict(metrics),
    }


def load_encoder(artifact: Artifact) -> Encoder:
    """Return the artifact's model on the CPU, in evaluation mode.

    Raises `UserError` if the artifact's format is not torch.
    """
    artifact.require_format(TORCH_FORMAT)
    with torch.device("meta"):  # no memory and no random numbers for weights read next
        model = Encoder(artifact.manifest.layout)
    model.load_state_dict(load_file(artifact.path / WEIGHTS), assign=True)
    return model.eval()
