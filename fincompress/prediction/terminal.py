"""Terminal: annotated records as a coloured table."""

from collections.abc import Sequence

from fincompress.prediction.annotation import Annotator
from fincompress.prediction.records import Record

COLOURS = ("red", "yellow", "green", "cyan", "magenta", "blue")  # of labels, in their order


def print_table(records: Sequence[Record], annotator: Annotator) -> None:
    """Print the label, its score and the text of each record, one line each."""
    from rich.console import Console  # for people, and not for files and pipes
    from rich.table import Table
    from rich.text import Text

    console, table = Console(), Table(box=None, pad_edge=False)
    table.add_column("label")
    table.add_column("score", justify="right")
    table.add_column(annotator.column)
    label_name, score_name, *_ = annotator.names
    order = list(annotator.model.labels)
    beside = max(map(len, [*order, "no text"])) + len(" score  ")  # the other two columns
    for record in records:
        label, score = record[label_name], record[score_name]
        text = Text(" ".join(str(record.get(annotator.column) or "").split()))
        text.truncate(max(1, console.width - beside), overflow="ellipsis")
        if label is None:
            table.add_row(Text("no text", style="dim"), "", text)
            continue
        colour = COLOURS[order.index(label) % len(COLOURS)]
        table.add_row(Text(label, style=colour), f"{score:.2f}", text)
    console.print(table)
