"""`doorkey demo`: tells the whole story on local copies of sites."""
