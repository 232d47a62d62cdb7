#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tiny TLS server that plays the Kubernetes API for test_kube_client: fake_api.py FOLDER
reads ca.pem, server.pem, server.key there; asks for a client certificate; prints its port."""
import http.server, json, socketserver, ssl, sys, urllib.parse

lists = 0
watches = 0


def pod(name, version):
    return {"metadata": {"namespace": "a", "name": name, "uid": name, "resourceVersion": str(version)}}


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, headers=()):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(text)

    def chunk(self, text):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def watch(self):
        global watches
        watches += 1
        if watches == 2:
            return self.answer(410, {"kind": "Status", "code": 410, "reason": "Expired"})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if watches == 1:
            line = json.dumps({"type": "ADDED", "object": pod("w", 7)}).encode() + b"\n"
            for at in range(0, len(line), 11):
                self.chunk(line[at:at + 11])
            self.chunk(b"not json\n")
            self.chunk(json.dumps({"type": "DELETED", "object": pod("w", 8)}).encode() + b"\n")
        else:
            self.chunk(json.dumps({"type": "ADDED", "object": pod("last", 99)}).encode() + b"\n")
        self.chunk(b"")

    def do_GET(self):
        global lists
        url = urllib.parse.urlparse(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == "/big":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            return
        if url.path == "/busy":
            return self.answer(429, {"kind": "Status", "message": "slow down"}, [("Retry-After", "7")])
        if url.path != "/api/v1/pods":
            return self.answer(404, {"kind": "Status", "message": "no such path", "code": 404})
        if "watch" in query:
            return self.watch()
        lists += 1
        more = "" if "continue" in query else "two"
        items = [pod("one" if more else "two", 3)]
        self.answer(200, {"kind": "PodList", "apiVersion": "v1", "items": items,
                          "metadata": {"resourceVersion": str(5 * lists), "continue": more}})

    def echo(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        name = dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"]
        self.answer(201, {"method": self.command, "path": self.path, "body": body, "cn": name,
                          "type": self.headers.get("Content-Type"),
                          "authorization": self.headers.get("Authorization")})

    do_POST = do_PUT = do_PATCH = do_DELETE = echo


folder = sys.argv[1]
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256

    request_queue_size = 256  # the test opens 128 connections at once
    def server_bind(self):  # without the look-up of our own name, which may take long
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/server.pem", folder + "/server.key")
context.load_verify_locations(folder + "/ca.pem")
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Api)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
