"""`python -m fincompress VERB` is `fincompress VERB`."""

if __name__ == "__main__":
    # Imported here: a process that is spawned to measure a model must not load all of this.
    import sys

    from fincompress.cli import main

    sys.exit(main())
