"""`doorkey add`: writes the settings of a site from what its page shows."""
