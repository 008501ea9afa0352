"""Command line: parses a verb and its options, runs the verb, and reports a failure in one line.

`fincompress VERB --name value` and `mlflow run . -e VERB -P name=value` take the same names.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any, NoReturn

from fincompress.commands.options import WEIGHT_KINDS, Options
from fincompress.config import IncompleteError, UserError, nearest
from fincompress.machine.console import configure_output
from fincompress.signals import TERMINATED, Terminated, raise_when_terminated
from fincompress.tracking.addresses import STORAGE, has_password, masked, reason

FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


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
        str, "name of one variant (a file in experiments/variants/, without .yaml), or all"
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
    "port": Option(whole(1), "port of the dashboard on this machine"),
    "model": Option(str, "alias, variant or version number of the model"),
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
}


@dataclass(frozen=True)
class Verb:
    """A verb of the command line.

    `command`: its module in `commands` and the function in it. `help`: what it does. `options`: the
    names of the options it takes. `family`: of a verb that builds variants, their family, which its
    function takes first. `texts`: whether it takes texts, too, as arguments without a name.
    """

    command: str
    help: str
    options: tuple[str, ...]
    family: str = ""
    texts: bool = False

    def run(self, options: Options) -> None:
        """Run the command. Its module is imported now: some take seconds, and others need none."""
        module, _, function = self.command.partition(".")
        run = getattr(import_module(f"fincompress.commands.{module}"), function)
        run(*[self.family] if self.family else [], options)


def _family(name: str, help: str) -> Verb:
    options = ("study", "variant", "data_dir", "again", "tuned", "storage")
    return Verb("build.build_family", help, options, family=name)


VERBS = {
    "main": Verb(
        "main.run_study",
        "run the whole study: data, every variant, benchmark, promotion",
        ("study", "data_dir", "seeds", "ablations", "extra_test", "again", "promote", "any_cpu",
         "tuned", "storage", "plan"),
    ),
    "plan": Verb(
        "plan.plan_study",
        "say what main would build, why, how long it takes here and what it needs",
        ("study", "data_dir", "again", "tuned", "storage"),
    ),
    "prepare": Verb("prepare.prepare_data", "read, clean and split the data",
                    ("study", "data_dir")),
    "teacher": _family("teacher", "fine-tune the teacher"),
    "distill": _family("distill", "distil the students"),
    "quantize": _family("quantize", "quantize students to INT8"),
    "prune": _family("prune", "prune the teacher"),
    "tune": Verb(
        "tune.tune_variants",
        "search for better values of a variant's config with Optuna",
        ("study", "variant", "data_dir", "trials", "workers", "epochs", "max_latency_ms",
         "max_f1_drop", "storage"),
    ),
    "benchmark": Verb(
        "benchmark.benchmark_study",
        "measure every variant and promote the best",
        ("study", "data_dir", "weights", "extra_test", "again", "promote", "any_cpu", "tuned",
         "storage"),
    ),
    "promote": Verb("promote.promote_study",
                    "decide again from the last measurements, or roll back",
                    ("study", "dry_run", "rollback", "any_cpu")),
    "predict": Verb(
        "predict.predict_texts",
        "answer texts, or a file of them, with a registered model",
        ("study", "model", "input", "column", "output", "prefix", "format", "threads",
         "processes", "resume"),
        texts=True,
    ),
    "report": Verb("report.report_results", "print the results of the last benchmark",
                   ("study", "weights", "commit_to")),
    "dashboard": Verb("dashboard.serve_dashboard",
                      "serve Optuna's dashboard of all searches on this machine",
                      ("storage", "port")),
    "recover": Verb("recover.recover_runs",
                    "end the MLflow runs of processes that no longer exist", ()),
}  # fmt: skip
CLI_ONLY = ("recover", "dashboard")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UserError` where argparse would print usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb and return the exit code.

    0: done; 1: all or part of it failed; 2: wrong input; 128 + signal: interrupted.
    """
    configure_output()
    raise_when_terminated()
    try:
        verb, options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        verb.run(options)
    except IncompleteError as error:
        return _complain(str(error), FAILED)
    except UserError as error:
        return _complain(str(error), USAGE)
    except BrokenPipeError:  # whoever read the output has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except Terminated:
        return _complain("terminated", TERMINATED)
    except Exception as error:
        from fincompress.commands.failures import STORES  # whose libraries take seconds to import

        if not isinstance(error, (OSError, *STORES)):
            raise
        return _complain(reason(error), FAILED)
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
    if verb.texts:
        parser.add_argument("texts", nargs="*", type=str, default=(), help="texts to answer")
    values, unknown = parser.parse_known_intermixed_args(_underscored(rest))
    if unknown:
        given = unknown[0].lstrip("-").partition("=")[0]
        raise UserError(f"{name}: unknown option '{given}'; {nearest(given, verb.options)}")
    if verb.texts:
        values.texts = tuple(values.texts)
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
    shown = f"{option.help} (default: {default})" if default not in (None, "", ()) else option.help
    parser.add_argument(f"--{name}", type=option.type, default=default, help=shown, **flag)


def _as_logged(value: object) -> str:
    """The text that `mlflow run` logs for a parameter: lower case for a boolean, shell-quoted."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return shlex.quote(",".join(map(str, value)))
    return shlex.quote("" if value is None else str(value))


def _underscored(words: Sequence[str]) -> list[str]:
    """`--dry-run` is `--dry_run`; values stay as they are, and all that follows `--`."""
    end = words.index("--") if "--" in words else len(words)
    changed = []
    for word in words[:end]:
        name, equals, value = word.partition("=")
        option = word.startswith("--")
        changed.append(
            name.replace("-", "_").replace("__", "--", 1) + equals + value if option else word
        )
    return [*changed, *words[end:]]
