"""Tracking: MLflow runs, registered models and aliases; the only folder that imports MLflow."""
