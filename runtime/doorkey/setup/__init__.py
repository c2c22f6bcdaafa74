"""Finds a site's settings by looking at it or by being shown, tries them, and writes them into the settings file."""
