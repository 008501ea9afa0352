"""The contract of a runtime, for every runtime: parity with torch, batches, odd inputs."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fincompress.artifact import Artifact, LayerLayout, Products, read_artifact
from fincompress.config import UserError
from fincompress.export import export
from fincompress.models.encoder import Encoder
from fincompress.models.storage import TORCH_FORMAT, Identity, load_encoder, save_encoder
from fincompress.models.tokenization import encode, load_tokenizer, pad
from fincompress.runtimes import BATCH_SIZES, Infer, load_runtime, runtime_names
from tests.support.projects import refusal

TEXTS = ["profit rose .", "sales", "the company fell and fell and fell again in the year .", ""]
ENGINES = [name for name in runtime_names() if name != "cascade"]  # which joins two of them
SHAPES = (LayerLayout(heads=1, ffn=48), LayerLayout(heads=2, ffn=16), LayerLayout(heads=1, ffn=32))


@pytest.fixture(scope="session")
def uneven(base: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model whose layers have unlike heads and FFN widths, as pruning leaves them."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Encoder(replace(base.manifest.layout, layers=SHAPES))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    out = tmp_path_factory.mktemp("artifacts") / "uneven"
    return save_encoder(out, model, load_tokenizer(base), Identity.of(base), {})


@pytest.fixture(autouse=True)
def _torch_threads() -> Iterator[None]:
    """PyTorch has one setting for the process, and `load` sets it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=ENGINES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def exported(uneven: Artifact, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """`uneven` in the format of each runtime."""
    folder = tmp_path_factory.mktemp("exported")
    return {
        name: uneven
        if load_runtime(name).FORMAT == TORCH_FORMAT
        else export(uneven, name, folder / name)
        for name in ENGINES
    }


@pytest.fixture
def artifact(runtime: str, exported: dict[str, Artifact]) -> Artifact:
    return exported[runtime]


def test_answers_as_the_encoder_does(runtime: str, artifact: Artifact, uneven: Artifact) -> None:
    ids, mask = pad(encode(load_tokenizer(uneven), TEXTS))
    with torch.inference_mode():
        expected = load_encoder(uneven)(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    answer = load_runtime(runtime).load(artifact, 1)(TEXTS)
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_agrees_with_torch_at_every_length_and_batch(
    runtime: str, artifact: Artifact, uneven: Artifact
) -> None:
    model, infer = load_encoder(uneven), load_runtime(runtime).load(artifact, 1).infer
    longest, vocabulary = uneven.manifest.max_length_tokens, uneven.manifest.layout.vocabulary
    random = np.random.default_rng(0)
    shapes = [(batch, 9) for batch in range(1, 33)] + [(3, tokens) for tokens in range(1, 33)]
    for shape in [*shapes, (1, 1), (1, longest), (32, 1), (32, longest)]:
        ids = random.integers(0, vocabulary, shape)
        mask = np.arange(shape[1]) < random.integers(1, shape[1] + 1, (shape[0], 1))
        with torch.inference_mode():
            expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        np.testing.assert_allclose(infer(ids, mask), expected, atol=1e-4, err_msg=str(shape))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_answer_does_not_depend_on_its_batch_or_stream(
    runtime: str, artifact: Artifact, threads: int
) -> None:
    predict = load_runtime(runtime).load(artifact, threads)
    many = TEXTS * 20
    together = predict(many)
    alone = np.concatenate([predict([text]) for text in many])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_many_texts_go_through_as_many_streams_as_there_are_threads(
    runtime: str, artifact: Artifact
) -> None:
    loaded = load_runtime(runtime).load(artifact, 2)
    seen: list[tuple[str, int]] = []

    def spy(name: str, infer: Infer) -> Infer:
        def asked(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
            seen.append((name, mask.size))
            return infer(ids, mask)

        return asked

    opened: list[int] = []

    def open_streams() -> list[Infer]:
        assert loaded.open_streams is not None
        opened.append(1)
        return [spy("stream", infer) for infer in loaded.open_streams()]

    # PyTorch has one number of threads for the process, and hence no streams.
    assert (loaded.open_streams is None) == (runtime == "torch_eager")
    predict = replace(
        loaded,
        infer=spy("alone", loaded.infer),
        open_streams=open_streams if loaded.open_streams else None,
    )
    predict(TEXTS[:1])
    assert [name for name, _ in seen] == ["alone"], "one text has all threads to itself"
    assert not opened, "nothing more is compiled for one text"
    seen.clear()
    predict(TEXTS * 20)
    predict(TEXTS * 20)
    assert {name for name, _ in seen} == {"alone" if runtime == "torch_eager" else "stream"}
    assert len(predict.streams) == (0 if runtime == "torch_eager" else 2)
    assert len(opened) == (0 if runtime == "torch_eager" else 1)
    assert max(size for _, size in seen) <= loaded.batch_tokens
    assert loaded.batch_tokens in (BATCH_SIZES if runtime == "auto" else BATCH_SIZES[:1])


@pytest.mark.parametrize("texts", [2, 7])
def test_fewer_texts_than_streams_are_computed_side_by_side(
    artifact: Artifact, runtime: str, texts: int
) -> None:
    loaded = load_runtime(runtime).load(artifact, 8)  # more than the cores of most test machines
    if loaded.open_streams is None:
        pytest.skip("PyTorch has no streams")
    together = Barrier(texts, timeout=20)

    def waiting(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        together.wait()  # until as many are at work as there are texts
        return loaded.infer(ids, mask)

    many = (TEXTS * 2)[:texts]
    expected = np.concatenate([loaded([text]) for text in many])
    predict = replace(loaded, threads=8, open_streams=lambda: [waiting] * 8)
    np.testing.assert_allclose(predict(many), expected, atol=1e-5)


def test_one_thread_wakes_no_other_for_the_tokenizer(runtime: str, artifact: Artifact) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from fincompress.artifact import read_artifact\n"
        "from fincompress.runtimes import load_runtime\n"
        "predict = load_runtime(sys.argv[1]).load(read_artifact(Path(sys.argv[2])), 1)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "predict(['profit rose'] * 50)\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    if not Path("/proc/self/task").exists():
        pytest.skip("threads are counted in /proc, which Linux has")
    command = [sys.executable, "-c", code, runtime, str(artifact.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_what_a_stream_raises_is_raised(runtime: str, artifact: Artifact) -> None:
    def broken(ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        raise RuntimeError("out of memory")

    loaded = load_runtime(runtime).load(artifact, 2)
    streams = None if loaded.open_streams is None else lambda: [broken] * 2
    loaded = replace(loaded, infer=broken, open_streams=streams)
    with pytest.raises(RuntimeError, match="out of memory"):
        loaded(TEXTS * 20)


def test_a_very_long_text_counts_up_to_the_maximum_length(runtime: str, artifact: Artifact) -> None:
    predict = load_runtime(runtime).load(artifact, 1)
    room = artifact.manifest.max_length_tokens - 2  # [CLS] and [SEP]
    cut, long = "profit " * room, "profit " * 10_000 + "fell"
    np.testing.assert_allclose(predict([long]), predict([cut]), atol=1e-6)


def test_no_text_gives_no_answer(runtime: str, artifact: Artifact) -> None:
    assert load_runtime(runtime).load(artifact, 1)([]).shape == (0, 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_engine_says_that_it_uses_the_threads_asked_for(
    runtime: str, artifact: Artifact, threads: int
) -> None:
    assert load_runtime(runtime).load(artifact, threads).threads == threads


@pytest.mark.timed
def test_one_thread_takes_no_more_than_one_core(runtime: str, artifact: Artifact) -> None:
    infer = load_runtime(runtime).load(artifact, 1).infer
    ids = np.ones((32, artifact.manifest.max_length_tokens), dtype=np.int64)
    mask = np.ones_like(ids, dtype=np.bool_)
    infer(ids, mask)
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < 0.3:
        infer(ids, mask)
    used = (time.process_time() - cpu) / (time.perf_counter() - wall)
    assert used < 1.15, "a second thread would use as much again"


def test_products_of_an_fp32_model_are_counted_and_none_is_int8(
    runtime: str, artifact: Artifact
) -> None:
    # four a layer, pooler and classifier
    assert load_runtime(runtime).count_products(artifact) == Products(int8=0, total=14)


def test_a_foreign_format_is_refused(runtime: str, artifact: Artifact) -> None:
    foreign = replace(artifact, manifest=replace(artifact.manifest, format="foreign"))
    wanted = {"openvino_runtime": "'openvino' or 'onnx'", "torch_eager": "'torch'"}
    named = wanted.get(runtime, "'onnx'")
    expected = f"{artifact.path}: format must be {named}, not 'foreign'"
    assert refusal(lambda: load_runtime(runtime).load(foreign, 1)) == expected


def test_altered_and_missing_files_are_refused(
    runtime: str, artifact: Artifact, tmp_path: Path
) -> None:
    for name in artifact.manifest.files:
        copy = shutil.copytree(artifact.path, tmp_path / f"altered-{name}")
        with (copy / name).open("ab") as file:
            file.write(b" ")
        assert f"{name}: altered: sha256 must be" in refusal(lambda c=copy: read_artifact(c))  # type: ignore[misc]
        (copy / name).unlink()
        assert f"{name}: the manifest lists this file" in refusal(lambda c=copy: read_artifact(c))  # type: ignore[misc]


def test_an_unknown_runtime_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown runtime 'torch_eagr'; did you mean 'torch_eager'"):
        load_runtime("torch_eagr")
