"""`doorkey repair`: corrects the settings of a site that has changed."""
