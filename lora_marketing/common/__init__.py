"""Errors, documents, files, plugins and the console: what every part of the kit stands on."""
