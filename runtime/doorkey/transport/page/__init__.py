"""The `page` transport: requests are made inside a live page of the browser."""
