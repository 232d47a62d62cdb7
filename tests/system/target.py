#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP target of rules: target.py PORT FILE answers 200 to every POST and appends a line
"IDEMPOTENCY-KEY BODY" for each key that it has not seen."""
import http.server
import sys

seen = set()


class Target(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        key = self.headers["Idempotency-Key"]
        if key not in seen:
            seen.add(key)
            out.write(f"{key} {body}\n")
            out.flush()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


with open(sys.argv[2], "a", encoding="utf-8") as out:
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Target).serve_forever()
