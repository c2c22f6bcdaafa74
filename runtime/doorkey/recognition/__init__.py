"""Recognizes the kind of site that a page belongs to, and proposes settings for it."""
