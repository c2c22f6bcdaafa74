"""The provider of any WordPress site with the plugin AI Power."""
