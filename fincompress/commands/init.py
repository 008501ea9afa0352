"""Verb `init`: look at a file of labelled texts, and write a study of them."""

import re
import shlex
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from fincompress import hub, studies
from fincompress.commands.options import Options
from fincompress.compression.student import Student, resolve_student
from fincompress.config import UserError, dump, parse, yaml_in_a_line
from fincompress.data.inspection import LabelledFile, inspect_file
from fincompress.data.labels import SENTIMENT
from fincompress.data.splits import HELD_OUT_SHARE
from fincompress.machine.cpu import usable_cores
from fincompress.models.checkpoint import Base, base_tokenizer, describe_base
from fincompress.models.tokenization import UNKNOWN, encode
from fincompress.prediction.records import FORMAT_OF
from fincompress.studies.study import Study

EXAMPLE = "fincompress init my-study --data reviews.csv"
LIKE = "quickstart"  # whose base a new study has, unless it names another
LENGTHS = (32, 64, 128, 256, 512)  # tokens at which texts may be cut
WHOLE_SHARE = 0.95  # of the texts that are not cut, where the base reads so many tokens
LETTERS = 60  # shown of a text
LOOKED_AT = 2000  # texts that tell whether the base knows their language
FAMILIAR_PIECES = 1.4  # a word, at most, where it does
FAMILIAR_SHARE = 0.99  # of the pieces, at least, that it has
RARE = 10  # test texts of a label below which its F1 says little


def init_study(options: Options) -> None:
    """Say what a file of labelled texts holds, and write the study `experiments/<name>.yaml`.

    Raises `UserError`, and writes nothing, for a name that is taken or no name, for a file that no
    study can be made of, and for a base that is no BERT.
    """
    path = _study_path(options.study)
    if options.data is None:
        raise UserError(f"data: which file? As in: {EXAMPLE}")
    file = inspect_file(options.data, options.text_column, options.label_column)
    print("\n".join(_describe(file)), flush=True)
    base = read_base(options.base)
    layout = describe_base(base, LENGTHS[0], 0, file.labels).layout
    tokenizer = base_tokenizer(base)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = np.array([len(ids) for ids in encode(tokenizer, file.texts)])  # (n,)
    longest = _cut_length(lengths, layout.positions)
    lines = [_describe_lengths(lengths, longest), *_describe_language(tokenizer, file.texts)]
    if resolve_student(Student(), layout, layout).init == "random":
        lines.append(
            "students: start from random weights, as the base has another shape than their "
            f"{Student.width} width, {Student.heads} heads and {Student.ffn} FFN neurons; name a "
            "'student_base' of this shape with the same word pieces, if there is one"
        )
    print("\n".join(lines), flush=True)
    study = _settings(file, base, longest)
    parse(Study, study | {"name": options.study}, str(path))
    with path.open("x", encoding="utf-8") as out:
        out.write(_as_yaml(study))
    print("\n".join(_next_steps(options.study, path, file)), flush=True)


def read_base(given: str) -> Base:
    """Return the checkpoint that an option names: a folder, `owner/name` or `owner/name@commit`.

    '' is that of the study `LIKE`. Of a model on the hub without a commit, the hub is asked for the
    newest. Raises `UserError` for what is neither, and if the hub does not tell.
    """
    if not given:
        return Study.load(LIKE).base
    if Path(given).is_dir():
        return Base(folder=str(Path(given).resolve()))
    repo, _, revision = given.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise UserError(f"base: '{given}' is neither a folder nor a model of the hub (owner/name)")
    if revision:
        hub.check_commit(revision, "base")
    else:
        hub.require_hub()
        revision = hub.find_model(repo).commit
    return Base(hub=repo, revision=revision)


def _study_path(name: str) -> Path:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise UserError(
            f"study: a name has lower-case letters, digits, '-' and '_', not '{name}', as in: "
            f"{EXAMPLE}"
        )
    path = studies.EXPERIMENTS / f"{name}.yaml"
    if path.exists():
        raise UserError(f"{path}: is there already; choose another name, as in: {EXAMPLE}")
    return path


def _describe(file: LabelledFile) -> list[str]:
    total = len(file.texts)
    shares = [f"{label} {count} ({count / total:.1%})" for label, count in file.counts.items()]
    lines = [
        f"{file.path}: {file.rows} rows; texts in the column '{file.text_column}', labels in "
        f"'{file.label_column}'",
        f"labels: {len(file.labels)}: {', '.join(shares)}",
    ]
    if repeated := file.rows - total:
        lines.append(f"repeated: {repeated} rows have the text of an earlier row, which counts")
    if file.conflicts:
        first = file.conflicts[0]
        shown = first.text if len(first.text) <= LETTERS else first.text[:LETTERS] + "..."
        lines.append(
            f"conflicts: {len(file.conflicts)} texts have several labels, the first of which "
            f"counts: '{shown}' is {' and '.join(dict.fromkeys(first.labels))}"
        )
    held_out = round(HELD_OUT_SHARE * total)
    # Half the 95 % interval of a share of one half: the most that chance can do.
    doubt = 100 * 1.96 * sqrt(0.25 / held_out)
    lines.append(
        f"split: about {total - 2 * held_out} / {held_out} / {held_out} for training, validation "
        f"and test; a score on {held_out} texts is uncertain by up to {doubt:.0f} points"
    )
    rare = [label for label, count in file.counts.items() if HELD_OUT_SHARE * count < RARE]
    if rare:
        lines.append(
            f"rare: fewer than {RARE} test texts have {', '.join(rare)}: macro-F1 will depend on "
            "a few of them"
        )
    return lines


def _cut_length(lengths: NDArray[np.int64], positions: int) -> int:
    """The least of `LENGTHS` that leaves most texts whole, as far as the base reads."""
    possible = [length for length in LENGTHS if length <= positions] or [positions]
    whole = [length for length in possible if (lengths <= length).mean() >= WHOLE_SHARE]
    return whole[0] if whole else possible[-1]


def _describe_lengths(lengths: NDArray[np.int64], longest: int) -> str:
    half, most = np.percentile(lengths, [50, 100 * WHOLE_SHARE])
    return (
        f"lengths: half of the texts have at most {half:.0f} tokens, {WHOLE_SHARE:.0%} at most "
        f"{most:.0f}, the longest {lengths.max()}; {(lengths > longest).mean():.1%} are cut off, "
        f"after {longest}"
    )


def _describe_language(tokenizer: Tokenizer, texts: Sequence[str]) -> list[str]:
    """A warning if the base splits or lacks more words than those of a language that it knows."""
    encodings = tokenizer.encode_batch(list(texts[:LOOKED_AT]), add_special_tokens=False)
    words = sum(len({word for word in each.word_ids if word is not None}) for each in encodings)
    pieces = [id for each in encodings for id in each.ids]
    per_word = len(pieces) / max(1, words)
    unknown = tokenizer.token_to_id(UNKNOWN)
    known = sum(piece != unknown for piece in pieces) / max(1, len(pieces))
    if per_word <= FAMILIAR_PIECES and known >= FAMILIAR_SHARE:
        return []
    return [
        f"language: the base splits a word into {per_word:.1f} pieces, and has {known:.0%} of "
        "these, so it may not know this language; --base names another (a folder, or owner/name "
        "of the hub)"
    ]


def _settings(file: LabelledFile, base: Base, longest: int) -> dict[str, Any]:
    """The content of the study's file."""
    training = len(file.texts) * (1 - 2 * HELD_OUT_SHARE)
    # Few texts make short epochs, in which a student from random weights learns little.
    epochs = 4 if training >= 2000 else 8 if training >= 500 else 12
    plain_base = {key: value for key, value in dump(base).items() if value is not None}
    data: dict[str, Any] = {"sources": [str(file.path.resolve())], "labels": list(file.labels)}
    for key, column, usual in (
        ("text_column", file.text_column, "text"),
        ("label_column", file.label_column, "label"),
    ):
        if column != usual:
            data[key] = column
    return {
        "description": f"{file.path.name}: {len(file.texts)} texts with {len(file.labels)} labels.",
        "data": data,
        "base": plain_base,
        "student_base": plain_base,
        "max_length_tokens": longest,
        "budget": {"epochs": epochs, "patience": 3},
        "benchmark": {"threads": min(2, usable_cores()), "throughput_sentences": 128},
        "behaviour": False,  # its tests are English sentences of financial news
        "peers_of": Study.load(LIKE).peers_of,
        "gate": {"max_f1_drop": 0.01 if HELD_OUT_SHARE * len(file.texts) >= 400 else 0.03},
    }


def _as_yaml(study: dict[str, Any]) -> str:
    """A line for each key; the base is written once."""
    lines = []
    for key, value in study.items():
        text = yaml_in_a_line(value)
        if key == "base":
            text = f"&base {text}"
        lines.append(f"{key}: *base" if key == "student_base" else f"{key}: {text}")
    return "\n".join(lines) + "\n"


def _next_steps(name: str, path: Path, file: LabelledFile) -> list[str]:
    tests = ""
    if file.labels == SENTIMENT:
        tests = (
            "These are the labels of the behavioural tests on financial news; if your texts are of "
            "that kind, write 'behaviour: true'."
        )
    ask = f'fincompress predict --study {name} "A text ."'
    if file.path.suffix in FORMAT_OF:
        words = ["--input", str(file.path), "--column", file.text_column, "--output", "answers.csv"]
        # `predict` adds columns, and none may be there already.
        if any(column == "label" or column.startswith("score") for column in file.columns):
            words += ["--prefix", "model_"]
        ask = f"fincompress predict --study {name} {shlex.join(words)}"
    here = Path.cwd()
    return [
        f"study: written to {path.relative_to(here) if path.is_relative_to(here) else path}",
        *([tests] if tests else []),
        "Next, what it would take, and then all of it:",
        f"  fincompress plan --study {name}",
        f"  fincompress main --study {name}",
        f"  {ask}",
    ]
