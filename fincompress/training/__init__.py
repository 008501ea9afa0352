"""Training: the one loop that every variant is trained by, with its batches and losses."""
