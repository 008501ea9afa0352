"""Tuning: searches for better values of a variant's config, by Optuna."""

DASHBOARD_PORT = 8080
