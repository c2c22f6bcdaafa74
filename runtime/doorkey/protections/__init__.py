"""Recognizes protections in front of sites (challenges, blocks, rate limits) by a table."""
