"""Metrics: a number over many texts. One file per metric."""
