#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server with bad manners for test_kube_http: fake_target.py FOLDER [tls] prints its port.
With tls it shows FOLDER/server.pem."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../support"))
import api


class Target(api.Handler):
    def do_POST(self):
        body = self.body()
        if self.path == "/cut":
            self.close_connection = True
            return
        self.send_response(302 if self.path == "/moved" else 201)
        if self.path == "/moved":
            self.send_header("Location", "/ok")
        for i in range(2000 if self.path == "/headers" else 0):
            self.send_header(f"X-{i}", "v" * 100)
        if self.path == "/later":
            self.send_header("Retry-After", "7")
        if self.path == "/endless":
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


api.serve(api.Server(("127.0.0.1", 0), Target), api.context(sys.argv[1]) if len(sys.argv) > 2 else None)
