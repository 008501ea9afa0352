"""Pretrained checkpoints: imports a BERT from a package, the Hub or a folder as an artifact."""

import importlib.metadata
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from fincompress.artifact import Artifact, LayerLayout, Layout, Manifest, sha256
from fincompress.config import Positive, UserError, dump, fingerprint, parse, settings
from fincompress.data.labels import SENTIMENT
from fincompress.hub import download_model
from fincompress.models.bert_names import from_bert, modern_name
from fincompress.models.encoder import LAYER_NORM_EPS, Encoder
from fincompress.models.storage import WEIGHTS, Identity, manifest_facts, save_encoder
from fincompress.models.tokenization import has_tokenizer, load_tokenizer, read_checkpoint_tokenizer

PICKLE = "pytorch_model.bin"


@settings
class Shape:
    """The sizes of a BERT encoder, for one with random weights.

    `layers`: how many it has. `width`: the size of a token's hidden state. `heads`: attention heads
    of each layer. `ffn`: neurons of each layer's feed-forward network.
    """

    layers: Positive
    width: Positive
    heads: Positive
    ffn: Positive

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads ({self.heads})")


@settings
class Base:
    """Where pretrained weights come from: exactly one of `package`, `hub` and `folder`.

    `package`: an installed Python distribution that has a checkpoint. `path`: the checkpoint's
    folder in that package. `hub`: a model's name on the Hugging Face Hub. `folder`: a folder of the
    user. `revision`: the commit of the hub's model, 40 hex digits; `hub` needs it. `sha256`: of
    the weights file, which `package` needs; other weights are an error. `shape`: the sizes of the
    hub's model, with which an encoder of random weights needs no download. `note`: a licence or
    warning that every model made from it has to carry.
    """

    package: str | None = None
    path: str | None = None
    hub: str | None = None
    folder: str | None = None
    revision: str | None = None
    sha256: str | None = None
    shape: Shape | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.package, self.hub, self.folder)) != 1:
            raise ValueError("give exactly one of 'package', 'hub' and 'folder'")
        if self.package is not None and (self.path is None or self.sha256 is None):
            raise ValueError("a package needs 'path' and 'sha256'")
        if self.hub is not None and not re.fullmatch("[0-9a-f]{40}", self.revision or ""):
            raise ValueError("a model of the hub needs a 'revision': a commit of 40 hex digits")


def fetch_checkpoint(base: Base) -> Path:
    """Return the folder of the checkpoint, which the hub may have to send first.

    Raises `UserError` if it cannot be reached, or if its weights have another hash than the
    `sha256` of `base`.
    """
    if base.hub is not None:
        folder = download_model(base.hub, str(base.revision))
    elif base.folder is not None:
        folder = Path(base.folder)
    else:
        try:
            # Located, not imported: the package's own code is not needed.
            distribution = importlib.metadata.distribution(str(base.package))
        except importlib.metadata.PackageNotFoundError:
            raise UserError(f"base.package: '{base.package}' is not installed") from None
        folder = Path(str(distribution.locate_file(str(base.path))))
    if base.sha256 is not None:
        actual = sha256(_weights_file(folder))
        if actual != base.sha256:
            raise UserError(f"{folder}: sha256 of the weights must be {base.sha256}, not {actual}")
    return folder


def describe_base(
    base: Base, max_length_tokens: int, seed: int, labels: tuple[str, ...] = SENTIMENT
) -> Manifest:
    """Return the manifest that `import_checkpoint` would write, but for the hashes in `files`.

    Reads the config and the tokenizer and hashes the weights, and converts nothing: enough for the
    fingerprint of what is built from it. Raises `UserError` as `import_checkpoint` does, except
    for what only the weights show.
    """
    checkpoint = _open_checkpoint(base, max_length_tokens, labels)
    with torch.device("meta"):  # to be counted, without memory
        model = Encoder(checkpoint.layout)
    identity = _identity(checkpoint, base, max_length_tokens, seed, labels)
    return Manifest(**manifest_facts(model, identity, {}), files={})


def import_checkpoint(
    base: Base,
    max_length_tokens: int,
    seed: int,
    out: Path,
    labels: tuple[str, ...] = SENTIMENT,
) -> Artifact:
    """Fetch `base` and write it as the artifact `out`, whose sentences have `max_length_tokens`.

    A classifier that the checkpoint has is brought into the order of `labels` by its label names;
    one that it lacks, or that is for other labels, is initialised from `seed`, and so is a missing
    pooler. Raises `UserError` if the checkpoint is no BERT encoder, or has fewer positions.
    """
    checkpoint = _open_checkpoint(base, max_length_tokens, labels)
    folder, layout = checkpoint.folder, checkpoint.layout
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Encoder(layout)
    weights = _read_weights(folder)
    try:
        state = from_bert(weights, model.state_dict())
    except KeyError as error:
        raise UserError(f"{folder}: the weights lack {error}: no BERT encoder") from None
    state |= _head(state, checkpoint.config, model, labels)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:  # torch lists every missing name and wrong shape
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: the weights are no BERT encoder: {reason}") from None
    identity = _identity(checkpoint, base, max_length_tokens, seed, labels)
    return save_encoder(out, model, checkpoint.tokenizer, identity, {})


def random_base(shape: Shape, like: Artifact, seed: int, out: Path) -> Artifact:
    """Write an untrained encoder of `shape`, initialised from `seed`, as the artifact `out`.

    It has the tokenizer, positions, labels and notes of the artifact `like`.
    """
    layer = LayerLayout(heads=shape.heads, ffn=shape.ffn)
    layout = replace(
        like.manifest.layout,
        width=shape.width,
        head_width=shape.width // shape.heads,
        layers=(layer,) * shape.layers,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Encoder(layout)
    identity = replace(
        Identity.of(like), technique="random", fingerprint=fingerprint([dump(layout), seed])
    )
    return save_encoder(out, model, load_tokenizer(like), identity, {})


def base_tokenizer(base: Base) -> Tokenizer:
    """Return the tokenizer of a checkpoint, as it comes; raise `UserError` if it is no BERT."""
    folder = fetch_checkpoint(base)
    return read_checkpoint_tokenizer(folder, _lowercase(folder, _config(folder)))


@dataclass(frozen=True)
class _Checkpoint:
    """A checkpoint's files, read but for the weights, of which only the sha256 is known."""

    folder: Path
    config: dict[str, Any]
    layout: Layout
    tokenizer: Tokenizer
    weights_sha256: str


def _open_checkpoint(base: Base, max_length_tokens: int, labels: Sequence[str]) -> _Checkpoint:
    folder = fetch_checkpoint(base)
    config = _config(folder)
    layout = _layout(config, folder, len(labels))
    if max_length_tokens > layout.positions:
        raise UserError(
            f"max_length_tokens: {folder} has {layout.positions} positions, not {max_length_tokens}"
        )
    tokenizer = read_checkpoint_tokenizer(folder, _lowercase(folder, config))
    if tokenizer.get_vocab_size() > layout.vocabulary:
        raise UserError(
            f"{folder}: the tokenizer has {tokenizer.get_vocab_size()} pieces, more than the "
            f"{layout.vocabulary} of the model"
        )
    # Weights of 90 MB and more are hashed once: a given hash has been compared.
    weights = base.sha256 or sha256(_weights_file(folder))
    return _Checkpoint(folder, config, layout, tokenizer, weights)


def _identity(
    checkpoint: _Checkpoint,
    base: Base,
    max_length_tokens: int,
    seed: int,
    labels: tuple[str, ...],
) -> Identity:
    parts = [
        checkpoint.weights_sha256,
        checkpoint.config,
        checkpoint.tokenizer.to_str(),
        max_length_tokens,
        seed,
        # The first versions knew no other labels, and their fingerprints hold.
        *([] if labels == SENTIMENT else [labels]),
    ]
    return Identity(
        technique="pretrained",
        fingerprint=fingerprint(parts),
        labels=labels,
        max_length_tokens=max_length_tokens,
        notes=(base.note,) if base.note else (),
    )


def _config(folder: Path) -> dict[str, Any]:
    """Return `config.json`; raise `UserError` if it is not that of a BERT encoder."""
    config = _read_json(folder / "config.json")
    if not has_tokenizer(folder):
        raise UserError(f"{folder}: has neither tokenizer.json nor vocab.txt")
    required = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        "is_decoder": False,
        "layer_norm_eps": LAYER_NORM_EPS,
    }
    defaults = {k: v for k, v in required.items() if k not in ("model_type", "hidden_act")}
    for key, value in required.items():
        given = config.get(key, defaults.get(key))
        if given != value:
            raise UserError(
                f"{folder}/config.json: {key} must be {value!r}, not {given!r}: "
                "the base must be a BERT encoder"
            )
    return config


@settings
class _Sizes:
    """The sizes in a BERT's `config.json`, under its names."""

    vocab_size: Positive
    max_position_embeddings: Positive
    hidden_size: Positive
    num_hidden_layers: Positive
    num_attention_heads: Positive
    intermediate_size: Positive


def _layout(config: dict[str, Any], folder: Path, labels: int) -> Layout:
    names = {field.name for field in fields(_Sizes)}
    given = {key: value for key, value in config.items() if key in names}
    sizes = parse(_Sizes, given, f"{folder}/config.json")
    layer = LayerLayout(heads=sizes.num_attention_heads, ffn=sizes.intermediate_size)
    return Layout(
        vocabulary=sizes.vocab_size,
        positions=sizes.max_position_embeddings,
        width=sizes.hidden_size,
        head_width=sizes.hidden_size // sizes.num_attention_heads,
        layers=(layer,) * sizes.num_hidden_layers,
        labels=labels,
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file.parent}: is not a model folder: {error}") from None
    if not isinstance(data, dict):
        raise UserError(f"{file}: must hold a mapping, not {type(data).__name__}")
    return data


def _lowercase(folder: Path, config: dict[str, Any]) -> bool:
    """Return whether texts are lowercased: by the tokenizer's config, else by the model's."""
    file = folder / "tokenizer_config.json"
    tokenizer_config = _read_json(file) if file.is_file() else {}
    return bool(tokenizer_config.get("do_lower_case", config.get("do_lower_case", True)))


def _weights_file(folder: Path) -> Path:
    for name in (WEIGHTS, PICKLE):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: has neither {WEIGHTS} nor {PICKLE}")


def _read_weights(folder: Path) -> dict[str, Tensor]:
    file = _weights_file(folder)
    try:
        if file.name == WEIGHTS:
            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors and torch raise various types for a broken file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file}: cannot be read: {reason}") from None
    return {modern_name(name): tensor.float() for name, tensor in weights.items()}


def _head(
    state: dict[str, Tensor], config: dict[str, Any], model: Encoder, labels: Sequence[str]
) -> dict[str, Tensor]:
    """Return the pooler and the classifier of `state`, or of `model` where they are missing.

    The classifier's rows are in the order of `labels`, by the names in `config`; the one of `model`
    is used if these are other labels.
    """
    fresh = {k: v for k, v in model.state_dict().items() if k.startswith(("pooler", "classifier"))}
    head = {name: state.get(name, fresh[name]) for name in fresh}
    if {"classifier.weight", "classifier.bias"} <= set(state):
        names = config.get("id2label")
        pairs = names.items() if isinstance(names, dict) else ()
        index = {str(name).casefold(): str(i) for i, name in pairs}
        wanted = [label.casefold() for label in labels]
        same_task = set(index) == set(wanted) and set(index.values()) == {
            str(i) for i in range(len(wanted))
        }
        order = [int(index[label]) for label in wanted] if same_task else []
        for name in ("classifier.weight", "classifier.bias"):
            head[name] = state[name][order] if same_task else fresh[name]
    return head
