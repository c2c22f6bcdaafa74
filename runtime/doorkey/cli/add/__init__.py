"""`doorkey add`: visits a page and adds it to the settings as a site."""
