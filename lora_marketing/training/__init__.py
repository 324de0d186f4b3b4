"""Training: the only package that knows TRL."""
