#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A device plug-in by Debian's gRPC, for test_edged_device: device_plugin.py DIR RESOURCE COUNT LOG.

Devices are dev-0, dev-1, ...; it prefers the last ones, and wants to know of starts. SIGUSR1 makes the
first device unhealthy. It registers again whenever another kubelet.sock is there, as plug-ins do.
`device_plugin.py DIR --bad LOG` sends registrations that must be refused. Messages are made by hand:
no generated code.
"""
import os
import queue
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
import grpc
from grpc_peer import field, fields, identity, same, serve, stream, texts, unary

API = "v1beta1"


class Plugin:
    def __init__(self, folder, resource, count, log):
        self.folder, self.resource, self.log_path = folder, resource, log
        self.healthy = [True] * count
        self.changes = queue.Queue()
        self.lock = threading.Lock()

    def log(self, line):
        with self.lock, open(self.log_path, "a") as out:
            out.write(line + "\n")

    def devices(self):
        return b"".join(
            field(1, field(1, f"dev-{i}") + field(2, "Healthy" if good else "Unhealthy"))
            for i, good in enumerate(self.healthy))

    def list_and_watch(self, _request, context):
        yield self.devices()
        while context.is_active():
            try:
                self.changes.get(timeout=0.1)
                yield self.devices()
            except queue.Empty:
                pass

    def preferred(self, request, _context):
        one = fields(request)[0][1]
        available, size = sorted(texts(one, 1)), dict(fields(one)).get(3, 0)
        self.log("preferred size=%d of %s" % (size, ",".join(available)))
        return field(1, b"".join(field(1, name) for name in available[-size:]))

    def allocate(self, request, _context):
        ids = ",".join(texts(fields(request)[0][1], 1))
        self.log("allocate " + ids)
        while os.path.exists(self.log_path + ".hang"):
            time.sleep(0.05)
        if os.path.exists(self.log_path + ".refuse"):
            raise RuntimeError("it burns")
        entry = field(1, field(1, "PROBE_IDS") + field(2, ids))
        mount = field(2, field(1, "/probe-data") + field(2, self.log_path + ".data") + field(3, 1))
        device = field(3, field(1, "/dev/probe0") + field(2, "/dev/null") + field(3, "rw"))
        note = field(4, field(1, "probe.example.com/ids") + field(2, ids))
        return field(1, entry + mount + device + note)

    def pre_start(self, request, _context):
        self.log("prestart " + ",".join(texts(request, 1)))
        return b""

    def serve(self, endpoint):
        options = field(1, 1) + field(2, 1)
        return serve(os.path.join(self.folder, endpoint), {API + ".DevicePlugin": {
            "GetDevicePluginOptions": unary(lambda _r, _c: options),
            "ListAndWatch": stream(self.list_and_watch),
            "GetPreferredAllocation": unary(self.preferred),
            "Allocate": unary(self.allocate),
            "PreStartContainer": unary(self.pre_start),
        }})


def register(folder, message):
    with grpc.insecure_channel("unix://" + os.path.join(folder, "kubelet.sock")) as channel:
        call = channel.unary_unary("/" + API + ".Registration/Register", same, same)
        return call(message, timeout=10)


def request(version, endpoint, resource):
    return field(1, version) + field(2, endpoint) + field(3, resource)


def run_bad(folder, log):
    wrong = [
        request("v1alpha", "p.sock", "example.com/probe"),
        request(API, "p.sock", "cpu"),
        request(API, "p.sock", "kubernetes.io/probe"),
        request(API, "../../p.sock", "example.com/probe"),
        request(API, "", "example.com/probe"),
        b"\xff\xff\xff",
        b"x" * 100000,
    ]
    with open(log, "a") as out:
        for message in wrong:
            try:
                register(folder, message)
                out.write("taken\n")
            except grpc.RpcError as error:
                out.write("refused %s\n" % error.details())


def run(folder, resource, count, log):
    plugin = Plugin(folder, resource, count, log)

    def on_signal(_number, _frame):
        plugin.healthy[0] = False
        plugin.changes.put(None)

    signal.signal(signal.SIGUSR1, on_signal)
    known, server, turn = None, None, 0
    while True:
        now = identity(os.path.join(folder, "kubelet.sock"))
        if now not in (None, known):
            turn += 1
            if server is not None:
                server.stop(None)
            server = plugin.serve("probe.%d.sock" % turn)
            try:
                register(folder, request(API, "probe.%d.sock" % turn, resource))
                plugin.log("registered")
                known = now
            except grpc.RpcError as error:
                plugin.log("not registered: %s" % error.details())
        time.sleep(0.05)


if __name__ == "__main__":
    if sys.argv[2] == "--bad":
        run_bad(sys.argv[1], sys.argv[3])
    else:
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
