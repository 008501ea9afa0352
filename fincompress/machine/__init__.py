"""The machine: its CPU and console, and locks between the processes on it."""
