"""What stands before sites: a table of protections, and how to tell them."""
