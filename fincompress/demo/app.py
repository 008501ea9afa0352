"""The page of a demo, by Gradio: a sentence, a file, the answers that changed, the study."""

import base64
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

# Gradio reads it as it is imported, and would tell its makers of every start.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from fincompress.config import UserError
from fincompress.demo.answers import (
    FILE_ENDINGS,
    LONGEST_TEXT,
    MOST_ROWS,
    AnsweredFile,
    TimedAnswer,
    answer_file,
    ask_variants,
    describe_agreement,
)
from fincompress.demo.content import Content, OpenModel, keep_open
from fincompress.demo.space import MODELS, PICTURE, read_demo
from fincompress.prediction.model import Model
from fincompress.prediction.saved_model import load_saved_model
from fincompress.signals import TERMINATED, Terminated, raise_when_terminated

LARGEST_FILE, KEPT_S = "10mb", 3600  # of what visitors upload, and how long it is kept
ROWS_SHOWN = 500  # of a file; all are in the one to download
SCORE_DECIMALS = 3  # of a score
# One call at a time, or each would be timed while others take its cores.
ALONE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "models"}
ANSWER_COLUMNS = ("variant", "label", "score", "ms of this call", "times as fast", "engine")
CHANGED_COLUMNS = ("variant", "text", "right", "teacher", "variant's answer")


def build_app(content: Content, load: OpenModel, picture: bytes | None, scratch: Path) -> Any:
    """Return the page as Gradio's `Blocks`.

    `load` loads a variant's model, when it is first asked. `picture`: the figure of F1 against
    latency, PNG. `scratch`: a folder for what is uploaded and downloaded.
    """
    open_model = keep_open(load, content.example)

    def ask(text: str, chosen: Sequence[str]) -> list[Any]:
        with _errors_shown():
            asked = ask_variants(text, _in_order(content, chosen), open_model)
        return _show_answers(content, asked)

    def ask_file(
        file: str | None,
        column: str,
        chosen: Sequence[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (Gradio finds it by its default)
    ) -> list[Any]:
        with _errors_shown():
            if file is None:
                raise UserError("There is no file. Choose one.")
            variants = _in_order(content, chosen)
            answered = answer_file(Path(file), column, variants, open_model, progress)
        return _show_rows(answered, Path(file).stem, scratch)

    def pick(event: gr.SelectData) -> tuple[Any, Any, Any]:
        variant, clicked, *_ = event.row_value
        return clicked, [content.variants[0], variant], gr.Tabs(selected="sentence")

    with gr.Blocks(title=content.title, analytics_enabled=False) as app:
        gr.Markdown(_heading(content))
        with gr.Tabs(selected="sentence") as tabs:
            with gr.Tab("A sentence", id="sentence"):
                text = gr.Textbox(
                    label="Text",
                    value=content.example,
                    lines=2,
                    max_length=LONGEST_TEXT,
                    elem_id="text",
                )
                examples = gr.Examples(list(content.examples), text, label="Examples to click")
                chosen = _variant_choice(content)
                button = gr.Button("Ask", variant="primary")
                verdict = gr.Markdown(elem_id="verdict")
                with gr.Row():
                    cards = [
                        gr.Label(visible=False, min_width=220, elem_id=f"card-{name}")
                        for name in content.variants
                    ]
                table = gr.Dataframe(
                    headers=list(ANSWER_COLUMNS), interactive=False, visible=False, wrap=True
                )
            with gr.Tab("A file", id="file"):
                file, column, file_chosen, file_button = _file_inputs(content)
                summary = gr.Markdown(elem_id="summary")
                rows = gr.Dataframe(visible=False, interactive=False, wrap=True, label=(
                    f"Rows, disputed ones first, at most {ROWS_SHOWN}"))  # fmt: skip
                answers_file = gr.File(visible=False, label="All rows with all scores")
            with gr.Tab("Changed answers", id="changed"):
                changed = _changed_table(content)
            with gr.Tab("The study", id="study"):
                _study(content, picture)

        asked: dict[str, Any] = {
            "fn": ask, "inputs": [text, chosen], "outputs": [verdict, table, *cards], **ALONE
        }  # fmt: skip
        gr.on([button.click, text.submit], api_name="ask", **asked)
        examples.load_input_event.then(**asked, api_visibility="private")
        picked = changed.select(
            pick, outputs=[text, chosen, tabs], api_visibility="private", queue=False
        )
        picked.then(**asked, api_visibility="private")
        file_button.click(
            ask_file, [file, column, file_chosen], [summary, rows, answers_file],
            api_name="ask_file", **ALONE,
        )  # fmt: skip
    return app


def _show_answers(content: Content, asked: Sequence[TimedAnswer]) -> list[Any]:
    """What is shown of answers to one text: who agrees, a table, a card of each variant."""
    answers = {each.variant: each for each in asked}
    cards = [
        gr.Label(
            value=answers[name].answer["scores"],
            label=f"{name}: {answers[name].milliseconds:.2f} ms",
            visible=True,
        )
        if name in answers
        else gr.Label(visible=False)
        for name in content.variants
    ]
    first = asked[0]
    rows = [
        [
            each.variant,
            each.answer["label"],
            round(float(each.answer["score"] or 0), SCORE_DECIMALS),
            round(each.milliseconds, 2),
            round(first.milliseconds / each.milliseconds, 1),
            each.way,
        ]
        for each in asked
    ]
    table = gr.Dataframe(value=rows, label=f"This call, beside {first.variant}", visible=True)
    return [describe_agreement(asked), table, *cards]


def _show_rows(answered: AnsweredFile, name: str, scratch: Path) -> list[Any]:
    """What is shown of an answered file: who agrees, its rows, and a file to download."""
    _remove_old(scratch)
    out = Path(mkdtemp(dir=scratch)) / f"{name}_answers.csv"
    answered.write_csv(out)
    names = [answered.texts, *answered.labels.values()]
    rows = [[row.get(name) for name in names] for row in answered.disputed_first[:ROWS_SHOWN]]
    table = gr.Dataframe(value=rows, headers=names, visible=True)
    return [answered.describe(), table, gr.File(value=str(out), visible=True)]


def serve_demo(
    content: Content,
    load: OpenModel,
    picture: bytes | None = None,
    port: int | None = None,
    share: bool = False,
) -> None:
    """Serve the page until the process is interrupted, and print its address.

    On this machine alone, unless `share` is set, or the variable GRADIO_SERVER_NAME, as in a Space.
    `port`: None is the first free one from 7860 on. The other arguments are those of `build_app`.
    Raises `UserError` if the port is taken.
    """
    with TemporaryDirectory(prefix="fincompress-demo-") as scratch:
        os.environ["GRADIO_TEMP_DIR"] = scratch  # for what visitors upload
        app = build_app(content, load, picture, Path(scratch)).queue(api_open=False)
        try:
            _, address, public = app.launch(
                server_port=port,
                share=share,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                footer_links=[],
                run_history=False,  # which would keep what visitors ask in their browsers
                max_file_size=LARGEST_FILE,
            )
        except OSError:
            tried = "it is" if port else "all from 7860 to 7959 are"
            raise UserError(
                f"port: {tried} taken, or may not be used; give another one with --port"
            ) from None
        except Exception as error:  # what Gradio raises where a proxy hides this machine's address
            raise UserError(f"demo: cannot be served: {str(error).splitlines()[0]}") from None
        try:
            print(f"{public or address}  ({content.title}; Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        finally:
            app.close(verbose=False)


def serve_folder(folder: Path) -> None:
    """Serve the exported demo in `folder`, as the program that it is: this ends the process."""
    raise_when_terminated()
    try:
        content, picture = read_demo(folder), folder / PICTURE

        def load(variant: str) -> Model:
            return load_saved_model(folder / MODELS / variant)

        serve_demo(content, load, picture.read_bytes() if picture.is_file() else None)
    except UserError as error:
        sys.exit(str(error))
    except Terminated:
        sys.exit(TERMINATED)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _remove_old(scratch: Path) -> None:
    """Remove what visitors have uploaded and been given more than `KEPT_S` ago."""
    for path in scratch.iterdir():
        if path.is_dir() and time.time() - path.stat().st_mtime > KEPT_S:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Show the message of a `UserError` in the page."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _in_order(content: Content, chosen: Sequence[str]) -> list[str]:
    return [name for name in content.variants if name in chosen]


def _heading(content: Content) -> str:
    notes = [f"> {note}" for note in content.notes]
    return "\n\n".join([f"# {content.title}", content.recommendation, *notes])


def _variant_choice(content: Content) -> Any:
    return gr.CheckboxGroup(
        list(content.variants), value=list(content.chosen), label="Variants",
        info="A model is loaded when it is first asked, which takes a few seconds.",
    )  # fmt: skip


def _file_inputs(content: Content) -> tuple[Any, Any, Any, Any]:
    endings = ", ".join(FILE_ENDINGS)
    file = gr.File(
        label=f"{endings}: at most {MOST_ROWS:,} rows",
        file_types=list(FILE_ENDINGS),
        height=140,
        elem_id="rows",
    )
    column = gr.Textbox(label="Column of the texts", value="text", max_length=200)
    return file, column, _variant_choice(content), gr.Button("Ask for all rows", variant="primary")


def _changed_table(content: Content) -> Any:
    gr.Markdown(
        "Sentences of the test split on which a variant contradicts its teacher: of each variant "
        "the surest contradictions. Click one to ask both."
    )
    rows = [[c.variant, c.text, c.label, c.teacher, c.answer] for c in content.changed]
    return gr.Dataframe(
        rows, headers=list(CHANGED_COLUMNS), interactive=False, wrap=True, show_search="filter",
        max_height=600, elem_id="changed-answers",
        column_widths=["21%", "37%", "10%", "16%", "16%"],
    )  # fmt: skip


def _study(content: Content, picture: bytes | None) -> None:
    gr.Markdown(content.description)
    if picture is not None:
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        shown = "Test macro-F1 against the latency of one text, with 95 % intervals"
        gr.HTML(f'<img src="{source}" alt="{shown}" style="max-width: 100%">')
    names, *rows = content.ladder
    widths: list[str | int] = ["27%", "21%", "20%", "20%", "12%"]  # of a study with quality
    gr.Dataframe(
        [list(row) for row in rows], headers=list(names), interactive=False, wrap=True,
        show_search="filter", label="Every model that was measured",
        column_widths=widths if len(names) == len(widths) else None,
    )  # fmt: skip
    gr.Markdown(content.measured)
