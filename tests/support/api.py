# SPDX-License-Identifier: Apache-2.0
"""What plays an API over HTTP: the manners of its handler, its server, with TLS or without."""
import http.server
import json
import socketserver
import ssl


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=()):
        """The whole answer, as JSON."""
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(text)

    def begin(self):
        """An answer in chunks; an empty one is its end."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a test may open 128 connections at once

    def server_bind(self):  # without the look-up of our own name, which may take long
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


def context(folder, clients=False):
    """TLS with server.pem and server.key of the folder; clients: they need a certificate of ca.pem."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder + "/server.pem", folder + "/server.key")
    if clients:
        made.load_verify_locations(folder + "/ca.pem")
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def serve(server, tls=None):
    """Prints the port and serves."""
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()
