"""What a model answers becomes scores, intervals, timings, tables and plots."""
