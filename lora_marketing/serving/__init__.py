"""Serving: brands over HTTP from one engine. The interface is OpenAI's, and one of the kit's own."""
