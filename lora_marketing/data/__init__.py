"""A brand's texts: read strictly, split the same everywhere."""
