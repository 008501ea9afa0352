"""The machine: its CPU and console, its cache, and locks between the processes on it."""
