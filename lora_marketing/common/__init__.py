"""Errors, documents, files, plugins and the console."""
