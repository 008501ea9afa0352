"""Standard output and error: prints each line at once, and any character in any encoding."""

import io
import sys


def configure_output(encoding: str | None = None) -> None:
    """Flush after every line, into a file or pipe too, and escape what the encoding cannot show.

    `encoding` is for output that goes into a log file of the project; None keeps the terminal's.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where there is no console
            stream.reconfigure(encoding=encoding, errors="backslashreplace", line_buffering=True)
