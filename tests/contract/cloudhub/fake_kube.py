#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API of Namespaces and Secrets in memory, with lists and watches of one Secret by its name, for contract tests: fake_kube.py FOLDER
reads ca.pem, server.pem, server.key there, writes kubeconfig there and whatever is stored to
objects.json, prints its port. While there is a file refuse, whose first word is the name of an object, that is not
replaced, if the second word is all, or by one that has no phase."""
import json
import os
import sys
import threading
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import api

folder = sys.argv[1]
objects = {}
version = [100]
changed = threading.Condition()


class Api(api.Handler):
    def fail(self, code, reason):
        self.answer(code, {"kind": "Status", "code": code, "reason": reason, "message": reason})

    def store(self, path, body, status):
        with changed:
            version[0] += 1
            body["metadata"]["resourceVersion"] = str(version[0])
            objects[path] = body
            with open(folder + "/objects.new", "w") as file:
                json.dump(objects, file)
            os.rename(folder + "/objects.new", folder + "/objects.json")
            changed.notify_all()
        self.answer(status, body)

    def matching(self, path, query):
        name = query["fieldSelector"][0].removeprefix("metadata.name=")
        return [o for o in [objects.get(path + "/" + name)] if o]

    def watch(self, path, query):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        seen = int(query["resourceVersion"][0])
        while True:
            with changed:
                news = [o for o in self.matching(path, query) if int(o["metadata"]["resourceVersion"]) > seen]
                if not news:
                    changed.wait()
                    continue
            seen = int(news[0]["metadata"]["resourceVersion"])
            self.wfile.write(json.dumps({"type": "MODIFIED", "object": news[0]}).encode() + b"\n")
            self.wfile.flush()

    def sent(self):
        return json.loads(self.body() or b"null")

    def do_GET(self):
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        if self.headers.get("Authorization") != "Bearer hub":
            return self.fail(401, "Unauthorized")
        if path in objects:
            return self.answer(200, objects[path])
        if path.endswith("/secrets") and "watch" in query:
            self.protocol_version = "HTTP/1.0"
            return self.watch(path, query)
        if path.endswith("/secrets"):
            items = self.matching(path, query)
            return self.answer(200, {"kind": "SecretList", "apiVersion": "v1", "items": items,
                                     "metadata": {"resourceVersion": str(version[0])}})
        return self.fail(404, "NotFound")

    def do_POST(self):
        body = self.sent()
        path = self.path + "/" + body["metadata"]["name"]
        if path in objects:
            return self.fail(409, "AlreadyExists")
        return self.store(path, body, 201)

    def do_PATCH(self):
        body = self.sent()
        if self.path not in objects:
            return self.fail(404, "NotFound")
        whole = json.loads(json.dumps(objects[self.path]))
        whole.setdefault("data", {}).update(body["data"])
        return self.store(self.path, whole, 200)

    def refuses(self, body):
        try:
            with open(folder + "/refuse") as file:
                name, which = file.read().split()
        except OSError:
            return False
        return self.path.endswith("/" + name) and (which == "all" or "phase" not in body["data"])

    def do_PUT(self):
        body = self.sent()
        if self.refuses(body):
            return self.fail(503, "ServiceUnavailable")
        if self.path not in objects:
            return self.fail(404, "NotFound")
        if body["metadata"].get("resourceVersion") != objects[self.path]["metadata"]["resourceVersion"]:
            return self.fail(409, "Conflict")
        return self.store(self.path, body, 200)


server = api.Server(("127.0.0.1", 0), Api)
with open(folder + "/kubeconfig", "w") as f:
    f.write("apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    server: https://127.0.0.1:%d\n"
            "    certificate-authority: ca.pem\nusers:\n- name: u\n  user:\n    token: hub\ncontexts:\n"
            "- name: c\n  context: {cluster: k, user: u}\ncurrent-context: c\n" % server.server_address[1])
api.serve(server, api.context(folder))
