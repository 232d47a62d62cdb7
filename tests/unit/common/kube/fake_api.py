#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tiny TLS server that plays the Kubernetes API for test_kube_client: fake_api.py FOLDER
reads ca.pem, server.pem, server.key there; asks for a client certificate; prints its port."""
import json
import os
import sys
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../support"))
import api

lists = 0
watches = 0


def pod(name, version):
    return {"metadata": {"namespace": "a", "name": name, "uid": name, "resourceVersion": str(version)}}


class Api(api.Handler):
    def watch(self):
        global watches
        watches += 1
        if watches == 2:
            return self.answer(410, {"kind": "Status", "code": 410, "reason": "Expired"})
        self.begin()
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
        body = self.body().decode()
        name = dict(x[0] for x in self.connection.getpeercert()["subject"])["commonName"]
        self.answer(201, {"method": self.command, "path": self.path, "body": body, "cn": name,
                          "type": self.headers.get("Content-Type"),
                          "authorization": self.headers.get("Authorization")})

    do_POST = do_PUT = do_PATCH = do_DELETE = echo


api.serve(api.Server(("127.0.0.1", 0), Api), api.context(sys.argv[1], clients=True))
