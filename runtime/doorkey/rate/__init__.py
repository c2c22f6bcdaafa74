"""Limits on calls: how many requests and visits a site gets, and how fast."""
