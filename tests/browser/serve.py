"""Serves a folder to a page on this host, and prints the lines that the page reports.

    serve.py FOLDER

Prints the port that it listens on, then what is POSTed to /report; runs until it is ended. It must
say of modules that they are JavaScript, whatever the host's list of types says.
"""

import functools
import http.server
import sys
import threading

BODY_MAX = 65536
# Reports come on threads of their own: a line is printed whole, or a step's end is not found.
printing = threading.Lock()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, and reports."""

    extensions_map = {".html": "text/html", ".js": "text/javascript", "": "application/octet-stream"}

    def do_POST(self):
        """Prints a report."""
        length = min(int(self.headers.get("Content-Length", 0)), BODY_MAX)
        line = self.rfile.read(length).decode(errors="replace")
        with printing:
            print(line, flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing of requests."""


server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1])
)
print(server.server_address[1], flush=True)
server.serve_forever()
