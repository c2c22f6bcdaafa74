"""`doorkey demo`: shows doorkey at work on local copies of sites."""
