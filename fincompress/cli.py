"""Command line: parses a verb and its options, runs the verb, and reports a failure in one line.

`fincompress VERB --name value` and `mlflow run . -e VERB -P name=value` take the same names.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from fincompress.commands.arguments import OPTIONS, boolean
from fincompress.commands.options import Options
from fincompress.config import IncompleteError, UserError, nearest
from fincompress.machine.console import configure_output
from fincompress.signals import TERMINATED, Terminated, raise_when_terminated
from fincompress.tracking.addresses import masked, reason

UNNAMED = "unnamed"
FAILED, USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


@dataclass(frozen=True)
class Verb:
    """A verb of the command line.

    `command`: its module in `commands` and the function in it. `help`: what it does. `options`: the
    names of the options it takes. `family`: of a verb that builds variants, their family, which its
    function takes first. `unnamed`: the field of `Options` that arguments without a name fill:
    `texts`, any number of them, or `study`.
    """

    command: str
    help: str
    options: tuple[str, ...]
    family: str = ""
    unnamed: str = ""

    def run(self, options: Options) -> Any:
        """Run the command, and return what its function does.

        Its module is imported now: some take seconds, and others need none.
        """
        module, _, function = self.command.partition(".")
        run = getattr(import_module(f"fincompress.commands.{module}"), function)
        return run(*[self.family] if self.family else [], options)


def _family(name: str, help: str) -> Verb:
    options = ("study", "variant", "data_dir", "again", "tuned", "storage")
    return Verb("build.build_family", help, options, family=name)


VERBS = {
    "init": Verb(
        "init.init_study",
        "look at a file of labelled texts, and write a study of them",
        ("study", "data", "base", "text_column", "label_column"),
        unnamed="study",
    ),
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
        unnamed="texts",
    ),
    "report": Verb("report.report_results", "print the results of the last benchmark",
                   ("study", "weights", "commit_to", "html")),
    "demo": Verb("demo.open_demo",
                 "ask the teacher and its compressed variants side by side, in the browser",
                 ("study", "variant", "threads", "port", "share", "export")),
    "push": Verb("push.push_model", "put a model on the Hugging Face Hub, or into a folder",
                 ("study", "model", "to", "private", "save")),
    "pull": Verb("pull.pull_model", "get a model from the Hugging Face Hub, and check it",
                 ("hub", "save"), unnamed="hub"),
    "dashboard": Verb("dashboard.serve_dashboard",
                      "serve Optuna's dashboard of all searches on this machine",
                      ("storage", "port")),
    "recover": Verb("recover.recover_runs",
                    "end the MLflow runs of processes that no longer exist", ()),
}  # fmt: skip
CLI_ONLY = ("recover", "dashboard", "demo", "push", "pull")


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


def run(verb: str, *unnamed: str, **options: object) -> Any:
    """Run a verb in this process, as the command line does: `run("main", study="cpu", seeds=3)`.

    Options have the names and the rules of the command line; None leaves one out, and a sequence
    stands for values separated by ','. `unnamed` are arguments without a name: the texts of
    `predict`. Returns what the verb has to give: of `main` and `benchmark` the `Benchmark`, of
    `plan` the planned builds. Raises `UserError` for what the command line refuses, its subclass
    `IncompleteError` if a part failed and all else is done, and the errors of stores that do not
    answer.
    """
    words = [f"--{name}={_as_text(value)}" for name, value in options.items() if value is not None]
    parsed, asked = parse_arguments([verb, *words, *(["--", *unnamed] if unnamed else [])])
    return parsed.run(asked)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


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
    if verb.unnamed == "texts":
        parser.add_argument("texts", nargs="*", default=(), help="texts to answer")
    elif verb.unnamed:
        parser.add_argument(UNNAMED, metavar=verb.unnamed, nargs="?", help=f"as --{verb.unnamed}")
    values, unknown = parser.parse_known_intermixed_args(_underscored(rest))
    if unknown:
        given = unknown[0].lstrip("-").partition("=")[0]
        raise UserError(f"{name}: unknown option '{given}'; {nearest(given, verb.options)}")
    if verb.unnamed == "texts":
        values.texts = tuple(values.texts)
    elif verb.unnamed and (word := vars(values).pop(UNNAMED)) is not None:
        if getattr(values, verb.unnamed) not in (word, getattr(Options, verb.unnamed)):
            raise UserError(
                f"{name}: '{word}' and --{verb.unnamed} are given; leave out one of both"
            )
        setattr(values, verb.unnamed, word)
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
        description=f"Compress a BERT text classifier for CPUs.\n\n{verbs}",
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
    text = _as_text("" if value is None else value)
    return text if isinstance(value, bool) else shlex.quote(text)


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
