"""An encoder becomes a torch artifact (safetensors, tokenizer, manifest) and back."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from fincompress.artifact import TOKENIZER, Artifact, write_artifact
from fincompress.models.encoder import Encoder, parameter_count

FORMAT = "torch"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Identity:
    """What an artifact is and where it comes from, decided before it is built."""

    technique: str
    fingerprint: str
    labels: tuple[str, ...]
    max_length_tokens: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, artifact: Artifact) -> "Identity":
        return cls(**{f.name: getattr(artifact.manifest, f.name) for f in fields(cls)})


def save_encoder(
    out: Path,
    model: Encoder,
    tokenizer: Tokenizer,
    identity: Identity,
    metrics: Mapping[str, float],
) -> Artifact:
    """Write `model` as the artifact `out`; raise `OSError` if the disk does not take it."""

    def write(draft: Path) -> None:
        state = model.state_dict()
        weights = {name: state[name].cpu().contiguous() for name in state}
        try:
            save_file(weights, draft / WEIGHTS)
            tokenizer.save(str(draft / TOKENIZER), pretty=False)
        except Exception as error:  # both have their own for what the disk refuses
            raise OSError(f"{out}: cannot be written: {error}") from error

    return write_artifact(out, write, manifest_facts(model, identity, metrics))


def manifest_facts(
    model: Encoder, identity: Identity, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return the fields of the `Manifest` that `save_encoder` writes, without `files`."""
    return vars(identity) | {
        "format": FORMAT,
        "layout": model.layout,
        "parameters": parameter_count(model),
        "metrics": dict(metrics),
    }


def load_encoder(artifact: Artifact) -> Encoder:
    """Return the artifact's model in evaluation mode; raise `UserError` for another format."""
    artifact.require_format(FORMAT)
    with torch.device("meta"):  # no memory and no random numbers for weights read next
        model = Encoder(artifact.manifest.layout)
    model.load_state_dict(load_file(artifact.path / WEIGHTS), assign=True)
    return model.eval()
