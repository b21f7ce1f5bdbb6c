"""A server with a helper process, to start and stop in tests: PARENT MODULE PORT PIDFILE [HOW]."""

import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

port, helper_file = int(sys.argv[3]), sys.argv[4]
how = sys.argv[5] if len(sys.argv) > 5 else ""
if how == "fail":
    sys.exit("ValueError: no room at /some/where")
if how == "asleep":
    time.sleep(600)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(helper_file).write_text(str(helper.pid))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        raw = b'{"data": [{"id": "little"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


HTTPServer(("127.0.0.1", port), Handler).serve_forever()
