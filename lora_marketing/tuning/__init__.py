"""The search for settings of a recipe that write best.

Only the `tune` command loads Optuna.
"""
