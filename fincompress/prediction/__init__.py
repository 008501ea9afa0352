"""Prediction: texts of any file, answered by a loaded model."""
