#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server with bad manners for test_kube_http: fake_target.py FOLDER [tls] prints its port.
With tls it shows FOLDER/server.pem."""
import http.server
import socketserver
import ssl
import sys


class Target(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
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


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Target)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{sys.argv[1]}/server.pem", f"{sys.argv[1]}/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
