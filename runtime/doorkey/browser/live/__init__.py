"""The live page: a page that stays open in the browser and sends requests."""
