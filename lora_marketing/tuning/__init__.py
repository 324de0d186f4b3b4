"""Searches the settings of a recipe whose adapter writes best. Only the `tune` command imports Optuna."""
