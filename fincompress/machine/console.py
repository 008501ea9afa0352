"""Standard output and error: each line appears at once, and no character ends the program."""

import io
import sys


def configure_output(encoding: str | None = None) -> None:
    """Write line by line, into a file or pipe too, and escape what the encoding does not have.

    `encoding` is that of a file of ours; None keeps the terminal's.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where there is no console
            stream.reconfigure(encoding=encoding, errors="backslashreplace", line_buffering=True)
