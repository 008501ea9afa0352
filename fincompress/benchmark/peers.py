"""Peers: other ways to run a model on a CPU that people use without this project.

Most are the same weights in another engine or precision. The teacher in PyTorch, in Hugging Face's
BERT: padded as in the published study, at natural length, in bf16, and compiled. A student in ONNX
Runtime with dynamic INT8, the most common compression, and in OpenVINO, in FP32 and in NNCF's INT8.
And static embeddings, the cheapest model that can be made from the teacher. They are measured and
never promoted.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from fincompress.artifact import Artifact
from fincompress.benchmark.environment import instruction_sets
from fincompress.benchmark.process import HUGGING_FACE, MODEL2VEC, TORCH_COMPILE, Subject
from fincompress.data import Splits
from fincompress.evaluation.results import PUBLISHED_PEER, PUBLISHED_RECIPE
from fincompress.export import (
    dynamic_quantizer,
    nncf_quantizer,
    save_graph,
    save_model,
)
from fincompress.models.checkpoint import Shape, random_base
from fincompress.models.huggingface import HuggingFace
from fincompress.models.storage import Identity
from fincompress.models.tokenization import encode, load_tokenizer
from fincompress.runtimes.openvino_runtime import BF16
from fincompress.training.batches import EncodedSentences

BF16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16"}  # a CPU without them is slower in bf16 than in FP32
CALIBRATION_SENTENCES = 300  # as many as NNCF takes by default

Peers = Mapping[str, Callable[[], Subject]]  # by name: makes what the peer runs, and returns it


def list_peers(
    teacher: Artifact,
    student: Artifact,
    name: str,
    splits: Splits,
    scratch: Path,
    published: Shape | None = None,
    seed: int = 0,
) -> Peers:
    """Return a function for each peer, by the peer's name, that makes it.

    `teacher`, `student`: torch artifacts. `name`: the student's variant. `splits`: the data that
    the teacher was trained on, which calibrate NNCF's INT8 and train static embeddings. What a
    function exports is written into `scratch`. `published`: the shape of the published recipe's
    model, whose random weights come from `seed`; None for no such peer. A function raises
    `UserError` for a model whose layers differ, which Hugging Face's BERT cannot hold, and whatever
    the peer's library raises.

    There is no peer in bf16 on a CPU without instructions for it, and there are no static
    embeddings if `has_model2vec` is false.
    """
    return {
        **_recipe_peer(teacher, scratch, published, seed),
        **_teacher_peers(teacher),
        **_student_peers(student, name, splits, scratch),
        **_static_peers(teacher, splits, scratch),
    }


def has_model2vec() -> bool:
    """Return whether the libraries of static embeddings are installed, which are optional."""
    return all(find_spec(library) for library in ("model2vec", "skeletoken"))


def _recipe_peer(like: Artifact, scratch: Path, shape: Shape | None, seed: int) -> Peers:
    def make() -> Subject:
        assert shape is not None
        model = random_base(shape, like, seed, scratch / PUBLISHED_RECIPE)
        return Subject(PUBLISHED_RECIPE, None, HUGGING_FACE, model, "maximum", scored=False)

    return {PUBLISHED_RECIPE: make} if shape else {}


def _teacher_peers(teacher: Artifact) -> Peers:
    found = [
        Subject(PUBLISHED_PEER, None, HUGGING_FACE, teacher, "maximum"),
        Subject("teacher@huggingface", None, HUGGING_FACE, teacher, "longest"),
        Subject("teacher@huggingface_bf16", None, HUGGING_FACE, teacher, "longest", BF16),
        Subject("teacher@torch_compile", None, TORCH_COMPILE, teacher, "longest"),
    ]
    has_bf16 = bool(BF16_INSTRUCTIONS.intersection(instruction_sets()))
    return {
        peer.variant: partial(replace, peer)  # there is nothing to export
        for peer in found
        if has_bf16 or peer.precision != BF16
    }


def _student_peers(student: Artifact, name: str, splits: Splits, scratch: Path) -> Peers:
    identity = Identity.of(student)

    def onnx_dynamic() -> Artifact:
        runtime = "onnx_runtime"
        plain = save_model(scratch / "plain", HuggingFace(student), student, identity, runtime)
        # The library's default: weights of 8 bits, whatever the CPU.
        write = dynamic_quantizer(plain, reduce_range=False)
        return save_graph(scratch / "dynamic", write, student, identity, runtime)

    @cache
    def openvino() -> Artifact:
        model, runtime = HuggingFace(student), "openvino_runtime"
        return save_model(scratch / "openvino", model, student, identity, runtime)

    def openvino_int8() -> Artifact:
        part = splits.train
        ids = encode(load_tokenizer(student), part.texts)
        train = EncodedSentences(ids, part.labels, part.label_names)
        write = nncf_quantizer(openvino(), train.sample(CALIBRATION_SENTENCES, seed=0).ids)
        return save_graph(scratch / "nncf", write, student, identity, "openvino_runtime")

    def peer(engine: str, runtime: str, export: Callable[[], Artifact]) -> Subject:
        return Subject(f"{name}@{engine}", None, runtime, export(), "longest")

    exports: dict[str, tuple[str, Callable[[], Artifact]]] = {
        "ort_dynamic_int8": ("onnx_runtime", onnx_dynamic),
        "openvino_fp32": ("openvino_runtime", openvino),
        "openvino_nncf_int8": ("openvino_runtime", openvino_int8),
    }
    return {f"{name}@{engine}": partial(peer, engine, *how) for engine, how in exports.items()}


def _static_peers(teacher: Artifact, splits: Splits, scratch: Path) -> Peers:
    def embeddings() -> Subject:
        # The library is optional.
        from fincompress.benchmark.static_embeddings import train_static_embeddings

        train_static_embeddings(teacher, splits, scratch / MODEL2VEC)
        return Subject(MODEL2VEC, None, MODEL2VEC, None, folder=scratch / MODEL2VEC)

    return {MODEL2VEC: embeddings} if has_model2vec() else {}
