"""Logging in to sites and out of them."""
