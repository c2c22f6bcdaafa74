"""What agents may use of doorkey: tools over the Model Context Protocol, which never show a secret."""
