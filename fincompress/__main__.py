"""`python -m fincompress VERB` is `fincompress VERB`."""

import sys

from fincompress.cli import main

if __name__ == "__main__":
    sys.exit(main())
