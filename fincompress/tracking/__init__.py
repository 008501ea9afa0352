"""What happens becomes MLflow runs, registered models and aliases; the only `import mlflow`."""
