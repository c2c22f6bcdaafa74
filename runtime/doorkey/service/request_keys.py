"""What is kept beside a request while it is answered."""

from __future__ import annotations

from aiohttp import web

ID = web.RequestKey("ID", str)
"""The request's id: on its answer, and in each line of the log."""
CORS = web.RequestKey("CORS", dict[str, str])
"""What the answer says to a web page that may read it."""
ONCE = web.RequestKey("ONCE", bool)
"""Whether a client must not repeat it by itself: an image that failed may have been drawn all the same."""
BEGUN = web.RequestKey("BEGUN", web.StreamResponse)
"""The stream that the answer has begun with: its status can't be changed any more."""
