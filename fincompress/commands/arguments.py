"""Arguments: how each option of the command line is read, and what it is for."""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from fincompress.commands.options import WEIGHT_KINDS
from fincompress.tracking.addresses import STORAGE, has_password

LAST_PORT = 65535


def boolean(text: str) -> bool:
    """Read true, yes or 1, and false, no or 0, in any case."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"must be true or false, not '{text}'")
    return words[text.lower()]


def path(text: str) -> Path | None:
    """Read a path; an empty text is none."""
    return Path(text) if text else None  # `mlflow run` passes '' for what is not given


def paths(text: str) -> tuple[Path, ...]:
    """Read paths that are separated by ','; an empty text is none."""
    return tuple(Path(each.strip()) for each in text.split(",") if each.strip())


def whole(lowest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers of `lowest` or more."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of {lowest} or more, not '{text}'"
            )
        return int(text)

    return read


def port(text: str) -> int:
    """Read a port; 0 is none."""
    number = whole(0)(text)
    if number > LAST_PORT:
        raise argparse.ArgumentTypeError(f"must be at most {LAST_PORT}, not '{text}'")
    return number


def epochs(text: str) -> int | None:
    """Read a number of epochs; an empty text is none."""
    return whole(1)(text) if text else None


def weights(text: str) -> str:
    """Read which weights models are to have."""
    if text not in WEIGHT_KINDS:
        raise argparse.ArgumentTypeError(f"must be {' or '.join(WEIGHT_KINDS)}, not '{text}'")
    return text


def positive(text: str) -> float | None:
    """Parse a number above 0; '' is None, as `mlflow run` passes what is not given."""
    try:
        number = float(text) if text else None
    except ValueError:
        number = -1.0
    if number is not None and not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not '{text}'")
    return number


def storage(text: str) -> str:
    """Parse the address of a database; one with a password is allowed in the environment only."""
    if not has_password(text):
        return text
    why = "others can read it in the list of processes; "
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        why = f"`mlflow run` has printed it, and run {run_id} keeps it for good; change it, and "
    raise argparse.ArgumentTypeError(
        f"must not hold a password: {why}give the address in the variable {STORAGE}"
    )


@dataclass(frozen=True)
class Option:
    """How a field of `Options` is given on the command line; its default is that of the field.

    `type`: parses its text. `help`: what the option does.
    """

    type: Callable[[str], Any]
    help: str


OPTIONS = {
    "study": Option(str, "name of the study: a file in experiments/, without .yaml"),
    "variant": Option(
        str,
        "name of one variant (a file in experiments/variants/, without .yaml), or all; for demo "
        "several, separated by ','",
    ),
    "data_dir": Option(path, "folder with the real corpora (default: FINCOMPRESS_DATA_DIR)"),
    "again": Option(boolean, "build versions anew, even if they are up to date"),
    "promote": Option(
        boolean, "after measuring, decide which versions hold champion and the other role aliases"
    ),
    "any_cpu": Option(
        boolean,
        "move the role aliases even if the champion was decided on another kind of CPU",
    ),
    "seeds": Option(
        whole(1), "number of seeds to build every variant for; a table compares their means"
    ),
    "ablations": Option(
        str,
        "ablations to build and compare instead of the benchmark: names separated by ',', or all",
    ),
    "extra_test": Option(
        paths,
        "files of labelled sentences to score every variant on, besides the test set, separated "
        "by ','",
    ),
    "dry_run": Option(boolean, "print the decision and its reasons, but move no alias"),
    "rollback": Option(boolean, "return the alias champion to the previous champion"),
    "weights": Option(
        weights, "trained, or random: untrained models of the same shapes, for speed and size only"
    ),
    "commit_to": Option(path, "folder to write the tables and raw timings to"),
    "html": Option(path, "file to write the last benchmark to as one HTML page"),
    "tuned": Option(
        boolean, "build variants with the values of their best trials, where they were tuned"
    ),
    "trials": Option(
        whole(1), "number of trials that the search has in the end, earlier ones included"
    ),
    "workers": Option(
        whole(0),
        "worker processes, which share the CPU threads; 0 only prepares the search",
    ),
    "epochs": Option(epochs, "epochs of each trial (default: those of the study)"),
    "max_latency_ms": Option(
        positive, "search for the best macro-F1 with at most this latency, in ms"
    ),
    "max_f1_drop": Option(
        positive,
        "search for the lowest latency with a macro-F1 at most this far below the teacher's",
    ),
    "storage": Option(
        storage,
        "address of the database of searches (default: FINCOMPRESS_STORAGE, or sqlite:///optuna.db)",
    ),
    "plan": Option(boolean, "only say what would be built, as the verb plan does"),
    "port": Option(
        port,
        "port on this machine; 0 is 8080 for dashboard, and the first free one from 7860 for demo",
    ),
    "model": Option(str, "alias, variant or version number of the model, or folder of a saved one"),
    "input": Option(
        path, "file of rows to read: .csv, .jsonl, .parquet, or .txt with a text a line"
    ),
    "output": Option(path, "file to write: .csv, .jsonl or .parquet (default: standard output)"),
    "column": Option(str, "column of the texts"),
    "prefix": Option(str, "text to begin the names of the new columns with"),
    "format": Option(
        str, "of standard output: table, csv or jsonl (default: table in a terminal, or else jsonl)"
    ),
    "threads": Option(whole(0), "CPU threads of the model; 0 are all that it may use"),
    "processes": Option(
        whole(0), "processes that answer a file, each with the model; 0 decides by its size"
    ),
    "resume": Option(boolean, "go on with an output that was not finished"),
    "data": Option(path, "file of labelled texts: .csv, .json, .jsonl or .parquet"),
    "base": Option(
        str,
        "BERT checkpoint to start from: a folder, owner/name or owner/name@commit of the hub "
        "(default: that of quickstart)",
    ),
    "text_column": Option(str, "column of the texts (default: the first with a usual name)"),
    "label_column": Option(str, "column of the labels (default: the first with a usual name)"),
    "share": Option(boolean, "give the demo a public address through Gradio's servers"),
    "export": Option(path, "folder to write the demo to, ready for a Hugging Face Space"),
    "to": Option(str, "model on the Hugging Face Hub to push to: owner/name"),
    "hub": Option(str, "model on the Hugging Face Hub to pull: owner/name or owner/name@commit"),
    "save": Option(path, "folder to write the model to"),
    "private": Option(boolean, "let nobody but the owner see the model on the hub"),
}
