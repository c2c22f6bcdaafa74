"""The live page: a page that stays open in the browser and carries requests."""
