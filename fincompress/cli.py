"""Arguments become a call of a verb; a failure becomes one message and an exit code.

`fincompress VERB --name value` and `mlflow run . -e VERB -P name=value` take the same names.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, NoReturn

from fincompress.commands.benchmark import benchmark_study
from fincompress.commands.build import build_family
from fincompress.commands.dashboard import serve_dashboard
from fincompress.commands.failures import IncompleteError
from fincompress.commands.main import run_study
from fincompress.commands.options import WEIGHT_KINDS, Options
from fincompress.commands.prepare import prepare_data
from fincompress.commands.promote import promote_study
from fincompress.commands.recover import recover_runs
from fincompress.commands.report import report_results
from fincompress.commands.tune import tune_variants
from fincompress.config import UserError, nearest
from fincompress.machine.console import configure_output
from fincompress.signals import TERMINATED, Terminated, raise_when_terminated
from fincompress.tracking.addresses import STORAGE, has_password, masked, reason
from fincompress.tracking.errors import STORE_ERRORS
from fincompress.tuning.trial_queue import SEARCH_ERRORS

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"must be true or false, not '{text}'")
    return words[text.lower()]


def path(text: str) -> Path | None:
    return Path(text) if text else None  # `mlflow run` passes '' for what is not given


def whole(lowest: int) -> Callable[[str], int]:
    """A number of `lowest` or more."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of {lowest} or more, not '{text}'"
            )
        return int(text)

    return read


def epochs(text: str) -> int | None:
    return whole(1)(text) if text else None


def weights(text: str) -> str:
    if text not in WEIGHT_KINDS:
        raise argparse.ArgumentTypeError(f"must be {' or '.join(WEIGHT_KINDS)}, not '{text}'")
    return text


def positive(text: str) -> float | None:
    """A number above 0; '' is none."""
    try:
        found = float(text) if text else None
    except ValueError:
        found = -1.0
    if found is not None and not 0 < found < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not '{text}'")
    return found


def storage(text: str) -> str:
    """The address of a database; its password comes from the environment."""
    if not has_password(text):
        return text
    told = "others can read it in the list of processes; "
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        told = f"`mlflow run` has printed it, and run {run_id} keeps it for good; change it, and "
    raise argparse.ArgumentTypeError(
        f"must not hold a password: {told}give the address in the variable {STORAGE}"
    )


@dataclass(frozen=True)
class Option:
    """How one field of `Options` is written; the default is that field's own."""

    type: Callable[[str], Any]
    help: str


OPTIONS = {
    "study": Option(str, "the study: a file of experiments/ without its ending"),
    "variant": Option(str, "one variant of the family, or all"),
    "data_dir": Option(path, "the folder of the real corpora (or FINCOMPRESS_DATA_DIR)"),
    "again": Option(boolean, "build even what is up to date"),
    "promote": Option(boolean, "move the role aliases after measuring"),
    "any_cpu": Option(
        boolean, "let a benchmark move the aliases of a champion of other instruction sets"
    ),
    "seeds": Option(whole(1), "how many seeds to build the study for, in one table"),
    "ablations": Option(str, "all, or names with ',' between: in one table, and no benchmark"),
    "extra_test": Option(path, "a file of labelled sentences to score everything on, too"),
    "dry_run": Option(boolean, "decide and explain, and move no alias"),
    "rollback": Option(boolean, "give the alias champion back to the champion before"),
    "weights": Option(weights, "random: speeds and sizes alone, of shapes that are not trained"),
    "commit_to": Option(path, "a folder for the tables and raw timings"),
    "tuned": Option(boolean, "with the values of the variants' best trials"),
    "trials": Option(whole(1), "trials that the study is to have in the end"),
    "workers": Option(whole(0), "processes that share the machine's threads; 0 only prepares"),
    "epochs": Option(epochs, "epochs of a trial (default: the study's)"),
    "max_latency_ms": Option(positive, "look for the best macro-F1 within this latency"),
    "max_f1_drop": Option(positive, "look for the lowest latency this near to the teacher's"),
    "storage": Option(
        storage, "the database of Optuna's studies (or FINCOMPRESS_STORAGE; else a sqlite file)"
    ),
    "port": Option(whole(1), "the dashboard's port on this machine"),
}


@dataclass(frozen=True)
class Verb:
    """What runs and which options it takes."""

    run: Callable[[Options], None]
    help: str
    options: tuple[str, ...]


def _family(name: str, help: str) -> Verb:
    options = ("study", "variant", "data_dir", "again", "tuned", "storage")
    return Verb(partial(build_family, name), help, options)


VERBS = {
    "main": Verb(
        run_study,
        "the whole study: data, every variant, benchmark, promotion",
        ("study", "data_dir", "seeds", "ablations", "extra_test", "again", "promote", "any_cpu",
         "tuned", "storage"),
    ),
    "prepare": Verb(prepare_data, "read, clean and split the data", ("study", "data_dir")),
    "teacher": _family("teacher", "fine-tune the teacher"),
    "distill": _family("distill", "distil the students"),
    "quantize": _family("quantize", "quantize students to INT8"),
    "prune": _family("prune", "prune the teacher"),
    "tune": Verb(
        tune_variants,
        "search for better values of a variant's config",
        ("study", "variant", "data_dir", "trials", "workers", "epochs", "max_latency_ms",
         "max_f1_drop", "storage"),
    ),
    "benchmark": Verb(
        benchmark_study,
        "measure every variant and promote the best",
        ("study", "data_dir", "weights", "extra_test", "again", "promote", "any_cpu", "tuned",
         "storage"),
    ),
    "promote": Verb(promote_study, "decide again from the last measurements, or go back",
                    ("study", "dry_run", "rollback", "any_cpu")),
    "report": Verb(report_results, "print the last measurements",
                   ("study", "weights", "commit_to")),
    "dashboard": Verb(serve_dashboard, "open Optuna's dashboard", ("storage", "port")),
    "recover": Verb(recover_runs, "close the runs of processes that are gone", ()),
}  # fmt: skip
CLI_ONLY = ("recover", "dashboard")


class Parser(argparse.ArgumentParser):
    """One message for a wrong argument, with the nearest right one."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb and return the exit code: 0, 1 (all or some of it failed), 2 (wrong input), or
    128 + signal."""
    configure_output()
    raise_when_terminated()
    try:
        verb, options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        verb.run(options)
    except IncompleteError as error:
        return _complain(str(error), FAILED)
    except UserError as error:
        return _complain(str(error), USAGE)
    except (OSError, *STORE_ERRORS, *SEARCH_ERRORS) as error:
        return _complain(reason(error), FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except Terminated:
        return _complain("terminated", TERMINATED)
    return 0


def parse_arguments(arguments: Sequence[str]) -> tuple[Verb, Options]:
    """Return the verb and its options; raise `UserError` for anything unknown."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _top_parser().print_help()
        raise SystemExit(0 if arguments else USAGE)
    name, *rest = arguments
    if name not in VERBS:
        raise UserError(f"unknown verb '{name}'; {nearest(name, VERBS)}")
    verb = VERBS[name]
    parser = Parser(f"fincompress {name}", description=verb.help, allow_abbrev=False)
    for option in verb.options:
        _add(parser, option)
    values, unknown = parser.parse_known_args([_underscored(word) for word in rest])
    if unknown:
        given = unknown[0].lstrip("-").partition("=")[0]
        raise UserError(f"{name}: unknown option '{given}'; {nearest(given, verb.options)}")
    asked = {option: _as_logged(getattr(values, option)) for option in verb.options}
    return verb, Options(**vars(values), asked=asked)


def _complain(message: str, code: int) -> int:
    print(f"fincompress: {masked(message)}", file=sys.stderr)
    return code


def _top_parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:<10} {verb.help}" for name, verb in VERBS.items())
    return argparse.ArgumentParser(
        "fincompress",
        usage="fincompress VERB [--option value ...]",
        description=f"Compress a financial-sentiment classifier.\n\n{verbs}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add(parser: argparse.ArgumentParser, name: str) -> None:
    option = OPTIONS[name]
    default = getattr(Options, name)
    # `--again` alone means true; `mlflow run` always writes the value.
    flag: dict[str, Any] = {"nargs": "?", "const": True} if option.type is boolean else {}
    shown = f"{option.help} (default: {default})" if default not in (None, "") else option.help
    parser.add_argument(f"--{name}", type=option.type, default=default, help=shown, **flag)


def _as_logged(value: object) -> str:
    """The text that `mlflow run` logs for a parameter: lower case for a boolean, shell-quoted."""
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return shlex.quote(text)


def _underscored(word: str) -> str:
    """`--dry-run` is `--dry_run`; values stay as they are."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
