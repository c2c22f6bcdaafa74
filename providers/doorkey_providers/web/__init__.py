"""The provider of any site, by configuration alone."""
