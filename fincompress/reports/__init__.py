"""Reports: tables, plots, model cards, the results page, and what runs log."""
