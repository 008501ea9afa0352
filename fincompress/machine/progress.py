"""Progress of long work: a bar in a terminal, and a line now and then in a file."""

import sys
from time import monotonic

from tqdm import tqdm

LINE_SECONDS = 30  # between two lines in a file


class RowProgress:
    """Shows on standard error how many rows are done, how fast, and how long the rest takes."""

    def __init__(self, share: float | None = None) -> None:
        """Begin where `share` of the work, from 0 to 1, is done; None where that is unknown."""
        self.begun = self.shown = monotonic()
        self.first, self.rows = share or 0.0, 0
        self.terminal = sys.stderr.isatty()
        form = "{percentage:3.0f}%|{bar}| {desc}" if share is not None else "{desc}"
        self.bar = tqdm(
            total=1.0, initial=self.first, bar_format=form, leave=False, disable=not self.terminal
        )

    def add(self, rows: int, share: float | None) -> None:
        """Count `rows` more, after which `share` of the work is done."""
        self.rows += rows
        now = monotonic()
        if self.terminal:
            self.bar.n = share or 0.0
            self.bar.set_description_str(self._described(now, share))
        elif now - self.shown >= LINE_SECONDS:
            self.shown = now
            print(self._described(now, share), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()

    def _described(self, now: float, share: float | None) -> str:
        seconds = max(1e-9, now - self.begun)
        text = f"{self.rows:,} rows, {self.rows / seconds:,.0f}/s"
        if share is None:
            return text
        done = share - self.first
        left = tqdm.format_interval(round(seconds * (1 - share) / done)) if done > 0 else "?"
        part = "" if self.terminal else f"{share:.0%}, "
        return f"{part}{text}, {left} left"
