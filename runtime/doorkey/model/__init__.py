"""The vocabulary of doorkey: values that other parts pass around. Nothing here does input or output."""
