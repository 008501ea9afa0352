"""Corpora: reads named corpora, or a file of the user, into cleaned rows.

PhraseBank: Malo et al. (2014), "Good debt or bad debt: Detecting semantic orientations in
economic texts". FiQA 2018 task 1: Maia et al. (2018), "WWW'18 Open Challenge".
"""

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

from fincompress.config import UserError, nearest
from fincompress.data.files import FILE_TYPES, SENTIMENT_TABLE, TableFormat, file_texts, read_file
from fincompress.data.sentences import Row, clean_text
from fincompress.data.synthetic.generator import generate_training
from fincompress.hub import download, download_dataset

PHRASEBANK_ZIP = "FinancialPhraseBank-v1.0.zip"
PHRASEBANK_SHA256 = "0e1a06c4900fdae46091d031068601e3773ba067c7cecb5b0da1dcba5ce989a6"
PHRASEBANK_MEMBER = "FinancialPhraseBank-v1.0/Sentences_{}Agree.txt"
PHRASEBANK_NOTE = (
    "Financial PhraseBank (Malo et al., 2014) is licensed CC BY-NC-SA 3.0: models trained on it "
    "are for non-commercial use, with attribution, under the same licence."
)
GENERATED_TEXTS = "generated"  # a source that validation and test never read
GENERATED = 8000  # of its sentences
GENERATED_NOTE = "Trained on generated sentences, too, from the package's own templates."
UNLABELLED_TEXTS = "unlabelled"  # a source of the transfer set alone
FIQA_NOTE = "FiQA 2018 task 1 (Maia et al., 2018) is for research use."
FIQA_ON_THE_HUB = "pauri32/fiqa-2018"
FIQA_NEUTRAL = 0.1  # scores within +-0.1 count as neutral


def read_rows(
    origin: str,
    data_dir: Path | None,
    key: str = "data.sources",
    table: TableFormat = SENTIMENT_TABLE,
) -> tuple[list[Row], str]:
    """Return the rows of `origin` and the licence note for models trained on them ("" for none).

    `origin` is a name in `CORPORA` or the path of a file. `data_dir` is the folder of the corpora's
    files; without it they come from the Hugging Face Hub. `key` is the study's key that named the
    origin, for messages. `table` says how files are read. Raises `UserError` if the origin is
    unknown, missing or malformed.
    """
    if origin == GENERATED_TEXTS and key == "data.sources":
        raise UserError(f"{key}: '{origin}' is for training alone: name it in data.training_only")
    if origin in CORPORA:
        return CORPORA[origin](data_dir)
    if Path(origin).suffix in FILE_TYPES:
        return read_file(Path(origin), table), ""
    known = [*CORPORA, "sample"] if key == "data.sources" else CORPORA
    raise UserError(
        f"{key}: unknown source '{origin}'; {nearest(origin, known)}; "
        f"a file must end in {', '.join(FILE_TYPES)}"
    )


def read_texts(origin: str, data_dir: Path | None, column: str = "text") -> tuple[list[str], str]:
    """Return the texts of `origin` and its licence note, as `read_rows`; a file needs no labels.

    `column` is that of a file's texts. `unlabelled` is every CSV file in the folder of that name,
    none of whose columns but `text` is read; where there is no such folder, that is printed, and
    there are no texts.
    """
    if origin == UNLABELLED_TEXTS:
        return _unlabelled(data_dir)
    if Path(origin).suffix in FILE_TYPES:
        return file_texts(Path(origin), column), ""
    rows, note = read_rows(origin, data_dir, "data.transfer")
    return [row[0] for row in rows], note


def _unlabelled(data_dir: Path | None) -> tuple[list[str], str]:
    files = sorted((data_dir / UNLABELLED_TEXTS).glob("*.csv")) if data_dir else []
    if not files:
        where = data_dir / UNLABELLED_TEXTS if data_dir else "data_dir is not given"
        print(f"data: without '{UNLABELLED_TEXTS}': no CSV files ({where})", flush=True)
        return [], ""
    order = random.Random(0)
    by_file = []
    for file in files:
        texts = file_texts(file, "text")
        by_file.append(order.sample(texts, len(texts)))
    # A study that takes the first so many takes as many of each file.
    mixed = [text for turn in zip_longest(*by_file) for text in turn if text is not None]
    names = ", ".join(file.stem for file in files)
    return mixed, f"Trained on unlabelled sentences, too, under their own licences: {names}."


def read_phrasebank(data_dir: Path | None) -> tuple[list[Row], str]:
    """Return the sentences of PhraseBank on which all annotators agreed, and its licence note.

    Raises `UserError` if the archive is missing or is not the published one.
    """
    return _phrasebank(data_dir, "All"), PHRASEBANK_NOTE


def read_disputed(data_dir: Path | None) -> tuple[list[Row], str]:
    """Return PhraseBank's sentences on which at least half of the annotators agreed, but not all.

    Their labels are the majority's. Raises `UserError` as `read_phrasebank` does.
    """
    agreed = {row[0] for row in _phrasebank(data_dir, "All")}
    rows = [
        (text, label, "phrasebank_disputed")
        for text, label, _ in _phrasebank(data_dir, "50")
        if text not in agreed
    ]
    return rows, PHRASEBANK_NOTE


def _phrasebank(data_dir: Path | None, agreement: str) -> list[Row]:
    if data_dir is None:
        path = download("takala/financial_phrasebank", f"data/{PHRASEBANK_ZIP}", kind="dataset")
    else:
        path = data_dir / "financial_phrasebank" / PHRASEBANK_ZIP
        _require(path, "phrasebank")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != PHRASEBANK_SHA256:
        raise UserError(f"{path}: sha256 must be {PHRASEBANK_SHA256}, not {digest}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = archive.read(PHRASEBANK_MEMBER.format(agreement)).decode("latin-1").splitlines()
    pairs = [line.rpartition("@") for line in lines]
    return [(clean_text(text), label, "phrasebank") for text, _, label in pairs]


def read_fiqa(data_dir: Path | None) -> tuple[list[Row], str]:
    """Return FiQA's headlines and posts, with one row for each aspect of a text that has a score.

    The origin of a headline is `fiqa_headlines`, that of a post `fiqa_posts`. Scores within
    `FIQA_NEUTRAL` of zero are neutral. Raises `UserError` if a file is missing or malformed.
    """
    if data_dir is None:
        rows, revision = download_dataset(FIQA_ON_THE_HUB)
        scored = [
            (row["sentence"], float(row["sentiment_score"]), _fiqa_origin(row.get("format", "")))
            for row in rows
        ]
        note = f"{FIQA_NOTE} Read from {FIQA_ON_THE_HUB} at revision {revision}."
        return _fiqa(scored), note
    folder = data_dir / "fiqa_2018"
    paths = sorted(folder.glob("task1_*.json"))  # the order decides the split
    if not paths:
        _require(folder / "task1_*.json", "fiqa")
    scored = [row for path in paths for row in _fiqa_rows(path)]
    return _fiqa(scored), FIQA_NOTE


def _fiqa(scored: list[tuple[str, float, str]]) -> list[Row]:
    return [(clean_text(text), _polarity(score), origin) for text, score, origin in scored]


def _fiqa_origin(form: str) -> str:
    return f"fiqa_{form}s" if form else "fiqa"


def _fiqa_rows(path: Path) -> list[tuple[str, float, str]]:
    origin = _fiqa_origin(next((f for f in ("headline", "post") if f"_{f}" in path.name), ""))
    try:
        entries = json.loads(path.read_text(encoding="utf-8")).values()
        return [
            (e["sentence"], float(i["sentiment_score"]), origin) for e in entries for i in e["info"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is not a FiQA task 1 file: {error!r}") from None


def _polarity(score: float) -> str:
    if abs(score) <= FIQA_NEUTRAL:
        return "neutral"
    return "positive" if score > 0 else "negative"


def read_generated(data_dir: Path | None) -> tuple[list[Row], str]:
    """Return `GENERATED` plain sentences from the package's own generator, and a note on them.

    They say what the real corpora do not. `data_dir` is not needed.
    """
    rows = generate_training(GENERATED)
    return [(text, label, GENERATED_TEXTS) for text, label in rows], GENERATED_NOTE


CORPORA: dict[str, Callable[[Path | None], tuple[list[Row], str]]] = {
    "phrasebank": read_phrasebank,
    "phrasebank_disputed": read_disputed,
    "fiqa": read_fiqa,
    GENERATED_TEXTS: read_generated,
}


def _require(path: Path, origin: str) -> None:
    """Raise `UserError` unless a file matches `path`, whose last part may be a pattern."""
    if not list(path.parent.glob(path.name)):
        raise UserError(
            f"{path}: not found; '{origin}' is read from the folder given by data_dir or "
            "FINCOMPRESS_DATA_DIR, and from the Hugging Face Hub if neither is set"
        )
