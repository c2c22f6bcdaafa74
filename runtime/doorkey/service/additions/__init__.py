"""Adds sites from the dashboard: the same work as `doorkey add`, with its questions on the page."""
