#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API in trouble, for test_kube_trouble: bad_api.py FOLDER reads server.pem and server.key
there, and mode before each request: it does what its word says. Prints its port; writes each request, a
line, to the file requests."""
import json
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../support"))
import api

folder = sys.argv[1]
lock = threading.Lock()
counts = {}


POD = {"metadata": {"namespace": "a", "name": "one", "uid": "1", "resourceVersion": "3"}, "spec": {"nodeName": "n1"}}


def mode():
    with open(os.path.join(folder, "mode"), encoding="utf-8") as file:
        return file.read().split()


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1
        with open(os.path.join(folder, "requests"), "a", encoding="utf-8") as out:
            out.write(what + "\n")
        return counts[what]


def status(code, reason):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason}


class Api(api.Handler):
    def event(self, event):
        self.chunk(json.dumps(event).encode() + b"\n")

    def line(self, kind, version, **more):
        self.event({"type": kind, "object": {"metadata": {"resourceVersion": str(version), **more}}})

    def watch(self, word):
        if word == "gone":
            return self.answer(410, status(410, "Expired"))
        self.begin()
        self.line("BOOKMARK", 9)
        if word == "gone-after":
            self.event({"type": "ERROR", "object": status(410, "Expired")})
        if word == "silent":
            time.sleep(60)
        if word == "well":
            self.line("ADDED", 10, namespace="a", name=f"w{count('told')}")
            time.sleep(60)
        self.chunk(b"")

    def do_GET(self):
        words = mode()
        if "watch=true" in self.path:
            count("watch")
            if words[0] in ("429", "500", "503"):
                return self.refuse(words)
            return self.watch(words[0])
        if "?" not in self.path:
            count("look")
            return self.answer(200, POD)
        number = count("list")
        if words[0] in ("429", "500", "503"):
            return self.refuse(words)
        if words[0] == "lost-pages" and "continue" in self.path:
            return self.answer(410, status(410, "Expired"))
        more = "next" if "limit=0" not in self.path and words[0] == "lost-pages" else ""
        items = [POD] if self.path.startswith("/api/v1/pods") else []
        return self.answer(200, {"kind": "PodList", "apiVersion": "v1", "items": items,
                                 "metadata": {"resourceVersion": str(5 + number), "continue": more}})

    def refuse(self, words):
        headers = [("Retry-After", words[1])] if len(words) > 1 else []
        self.answer(int(words[0]), status(int(words[0]), "Trouble"), headers)

    def write(self):
        self.body()
        self.close_connection = True
        count("write " + self.path)
        words = mode()
        if words[0] in ("429", "500", "503"):
            return self.refuse(words)
        if words[0] == "409" and "/pods/" in self.path and count("conflict") <= int(words[1]):
            return self.answer(409, status(409, "Conflict"))
        if words[0] == "token" and self.headers.get("Authorization") != f"Bearer {words[1]}":
            return self.answer(401, status(401, "Unauthorized"))
        return self.answer(200, {"kind": "Pod", "metadata": {"name": "x"}})

    do_POST = do_PUT = do_PATCH = do_DELETE = write


class Server(api.Server):
    def get_request(self):  # the certificate may have changed
        connection, address = self.socket.accept()
        tls = api.context(folder)
        return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *args):
        pass


api.serve(Server(("127.0.0.1", 0), Api))
