"""Brands over HTTP from one engine: OpenAI's API and /v1/copy."""
