"""Reports: tables, plots, model cards, the results page, and what runs log of builds and benchmarks."""
