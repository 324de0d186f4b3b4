"""A brand's texts, read strictly and split the same way on every machine."""
