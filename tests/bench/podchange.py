#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""podchange KUBECONFIG RUN-DIR POD COUNT OTHERS: changes an annotation of the Pod COUNT times and prints, in microseconds,
the medians of what the API's answer takes and of what it takes until metamanager hands the Pod to edged, and the worst
of the latter. Before that it makes OTHERS Pods on nodes that are not there."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse


def connect(kubeconfig):
    """A connection as the administrator."""
    view = json.loads(subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "--flatten", "-o", "json"],
                                     stdout=subprocess.PIPE, check=True).stdout)
    cluster, user = view["clusters"][0]["cluster"], view["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    url = urllib.parse.urlparse(cluster["server"])
    return http.client.HTTPSConnection(url.hostname, url.port, context=context)


def ask(api, method, path, body, kind="application/merge-patch+json"):
    api.request(method, path, json.dumps(body), {"Content-Type": kind})
    answer = api.getresponse()
    text = answer.read()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text[:200]}")


def make_others(api, count):
    for i in range(count):
        ask(api, "POST", "/api/v1/namespaces/default/pods", {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"other-{i}"},
            "spec": {"nodeName": f"m{i % 1000}", "containers": [{"name": "c", "image": "registry.example.com/c:1"}]}},
            "application/json")


def came(tap, after_us):
    """When edged was told of the Pod, after a time."""
    for line in tap.stdout:
        seen = json.loads(line)
        if seen["endpoint"] == "meta-edged" and seen["message"] == "object" and seen["timeUs"] >= after_us:
            return seen["timeUs"]
    return sys.exit("zmqtap has ended")


def main(kubeconfig, run_dir, pod, count, others):
    api = connect(kubeconfig)
    path = f"/api/v1/namespaces/default/pods/{pod}"
    make_others(api, int(others))
    tap = subprocess.Popen(["zmqtap", "--run-dir", run_dir, "-o", "json", "-m", "object", "-s", "edged", "-r", f"default/pod/{pod}"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answers, delays = [], []
    try:
        time.sleep(1)  # until it watches: what it does not see yet would be waited for
        for i in range(int(count)):
            began = time.time_ns() // 1000
            ask(api, "PATCH", path, {"metadata": {"annotations": {"round": f"{os.getpid()}-{i}"}}})
            answers.append(time.time_ns() // 1000 - began)
            delays.append(came(tap, began) - began)
            time.sleep(0.01)
    finally:
        tap.kill()
    answers.sort()
    delays.sort()
    print(answers[len(answers) // 2], delays[len(delays) // 2], delays[-1])


main(*sys.argv[1:])
