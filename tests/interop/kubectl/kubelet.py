# SPDX-License-Identifier: Apache-2.0
"""A kubelet as far as kubectl logs needs one; it refuses exec, attach and port-forward with a text."""
import http.server
import ssl
import threading
import urllib.parse

LINES = ["2026-11-26T04:00:00Z one", "2026-11-26T04:00:01Z two", "2026-11-26T04:00:02Z three"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, text):
        self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())

    def logs(self, container, options):
        if options.get("previous"):
            self.answer(400, f'previous terminated container "{container}" in pod "one" not found')
            return
        if container == "broken":
            self.answer(500, "no such file")
            return
        lines = [line if options.get("timestamps") else line.split()[1] for line in LINES]
        lines = lines[len(lines) - int(options.get("tailLines", len(lines))):]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for line in lines:
            self.chunk(line + "\n")
        self.chunk("")

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        options = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.split("/")
        if parts[1] == "containerLogs":
            self.logs(parts[4], options)
        elif parts[1] in ("exec", "attach", "portForward"):
            self.answer(403, f"{parts[1]} of {'/'.join(parts[3:])} is not for you\n")
        elif url.path == "/healthz":
            self.answer(200, "ok")
        else:
            self.answer(404, "404 page not found\n")

    def do_POST(self):
        self.do_GET()

    def log_message(self, *args):
        pass


class Kubelet:
    """Serves HTTPS on a port of its own with that certificate, in threads, until stop."""

    def __init__(self, cert, key):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
