"""The live view: shows a visit's page to a person in another browser, and passes their input to it."""
