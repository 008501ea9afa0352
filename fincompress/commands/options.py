"""Options of all verbs, with their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fincompress.studies import ALL

TRAINED, RANDOM = WEIGHT_KINDS = ("trained", "random")


@dataclass(frozen=True)
class Options:
    """What a command was asked for. Each verb takes some of these; the others have their defaults.

    `study`: the name of a file under `experiments/`, without its ending. `variant`: the one to
    build or tune, or `all`. `data_dir`: the folder of the corpora. `again`: build what is up to
    date, too. `promote`: move the role aliases after a benchmark. `any_cpu`: also where the
    champion was decided on a CPU with other instruction sets. `seeds`: how many to build the study
    for. `ablations`: names with `,` between, or `all`. `extra_test`: files of labelled sentences to
    score as well. `dry_run`: decide, and move no alias. `rollback`: return to the champion before.
    `weights`: `trained`, or `random` for models of the study's shapes that are only timed.
    `commit_to`: the folder that a report is written to. `html`: the file of a report as a page.
    `tuned`: build with the values of the best trials. `trials`: how many a search is to have in the
    end. `workers`: processes that run them. `epochs`: those of a trial, in place of the study's.
    `max_latency_ms`, `max_f1_drop`: the constraint of a search; a drop is in macro-F1, from 0 to 1.
    `storage`: the address of Optuna's database. `port`: of what is served; 0 is the verb's own.
    `model`: an alias, a variant, a version's number or the folder of a saved model. `input`,
    `output`: files of rows; without them, texts or standard input, and standard output. `column`:
    that of the texts. `prefix`: begins the names of the columns that are added. `format`: of
    standard output. `threads`: of the model; 0 are all that may be used. `processes`: how many
    answer a file; 0 decides by its size. `resume`: go on with an unfinished output. `plan`: only
    say what would be built. `texts`: texts to predict. `data`: a file to make a study of. `base`:
    the checkpoint of that study. `text_column`, `label_column`: the columns of that file. `share`:
    give a demo a public address. `export`: the folder to write a demo to. `to`: the model on the
    hub to push to. `hub`: the one to pull, with or without a commit. `save`: the folder of a saved
    model. `private`: whether the hub shows what is pushed to its owner alone. `asked`: the options
    of the verb as `mlflow run` logs them.
    """

    study: str = "quickstart"
    variant: str = ALL
    data_dir: Path | None = None
    again: bool = False
    promote: bool = True
    any_cpu: bool = False
    seeds: int = 1
    ablations: str = ""
    extra_test: tuple[Path, ...] = ()
    dry_run: bool = False
    rollback: bool = False
    weights: str = TRAINED
    commit_to: Path | None = None
    html: Path | None = None
    tuned: bool = False
    trials: int = 30
    workers: int = 1
    epochs: int | None = None
    max_latency_ms: float | None = None
    max_f1_drop: float | None = None
    storage: str = ""
    port: int = 0
    model: str = "champion"
    input: Path | None = None
    output: Path | None = None
    column: str = "text"
    prefix: str = ""
    format: str = ""
    threads: int = 0
    processes: int = 0
    resume: bool = False
    plan: bool = False
    texts: tuple[str, ...] = ()
    data: Path | None = None
    base: str = ""
    text_column: str = ""
    label_column: str = ""
    share: bool = False
    export: Path | None = None
    to: str = ""
    hub: str = ""
    save: Path | None = None
    private: bool = True
    asked: Mapping[str, str] = field(default_factory=dict)
