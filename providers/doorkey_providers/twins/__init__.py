"""Twins: faithful local copies of the four sites, for the demo, the tests and the benches."""
