#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A CSI driver by Debian's gRPC, for test_edged_csi: csi_driver.py REGISTRY NAME DATA LOG.

A volume is a folder of DATA; it is bound to the staging path, and from there to the target path. An
ephemeral one is a tmpfs. While LOG.refuse is there, it unmounts nothing.
"""
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import grpc
from grpc_peer import field, fields, pairs, serve, text, texts, unary


def is_mounted(path):
    with open("/proc/self/mounts") as mounts:
        return any(line.split()[1] == path for line in mounts)


def mount(*arguments):
    target = arguments[-1]
    if not is_mounted(target):
        os.makedirs(target, exist_ok=True)
        subprocess.run(["mount", *arguments], check=True)


def unmount(path):
    if is_mounted(path):
        subprocess.run(["umount", path], check=True)


class Driver:
    def __init__(self, name, endpoint, data, log):
        self.name, self.endpoint, self.data, self.log_path = name, endpoint, data, log

    def log(self, line):
        with open(self.log_path, "a") as out:
            out.write(line + "\n")

    def get_info(self, _request, _context):
        return (field(1, "CSIPlugin") + field(2, self.name) + field(3, self.endpoint) +
                field(4, "1.0.0"))

    def notified(self, request, _context):
        taken = dict(fields(request)).get(1, 0)
        self.log("registered" if taken else "refused " + text(request, 2))
        return b""

    def capabilities(self, _request, _context):
        # STAGE_UNSTAGE_VOLUME, GET_VOLUME_STATS, EXPAND_VOLUME
        return b"".join(field(1, field(1, field(1, ability))) for ability in (1, 2, 3))

    def node_info(self, _request, _context):
        zone = field(1, "bind.example.com/zone") + field(2, "z1")
        return field(1, "node-of-csi") + field(2, 5) + field(3, field(1, zone))

    def stage(self, request, _context):
        capability = dict(fields(request))[4]
        mount_volume = dict(fields(capability))[2]
        self.log("stage attached %s" % sorted(pairs(request, 2).items()))
        self.log("stage secrets %s" % sorted(pairs(request, 5).items()))
        self.log("stage %s fs=%s flags=%s mode=%s context=%s" % (
            text(request, 1), text(mount_volume, 1), ",".join(texts(mount_volume, 2)),
            dict(fields(dict(fields(capability))[3]))[1], pairs(request, 6)))
        source = os.path.join(self.data, text(request, 1))
        os.makedirs(source, exist_ok=True)
        mount("--bind", source, text(request, 3))
        return b""

    def publish(self, request, _context):
        context = pairs(request, 8)
        self.log("publish attached %s" % sorted(pairs(request, 2).items()))
        self.log("publish secrets %s" % sorted(pairs(request, 7).items()))
        kind = "ephemeral" if text(request, 3) == "" else "staged"
        self.log("publish %s %s readonly=%d pod=%s" % (
            text(request, 1), kind, dict(fields(request)).get(6, 0),
            context.get("csi.storage.k8s.io/pod.name", "")))
        if kind == "ephemeral":
            mount("-t", "tmpfs", "tmpfs", text(request, 4))
            with open(os.path.join(text(request, 4), "greeting"), "w") as out:
                out.write(context.get("greeting", ""))
        else:
            mount("--bind", text(request, 3), text(request, 4))
        return b""

    def stats(self, request, _context):
        self.log("stats " + text(request, 1))
        usage = {1: (400, 1000, 600), 2: (7, 10, 3)}  # bytes, inodes
        return b"".join(
            field(1, field(1, free) + field(2, total) + field(3, used) + field(4, unit))
            for unit, (free, total, used) in usage.items())

    def expand(self, request, context):
        self.refuse(context)
        self.log("expand %s to %d mounted=%d secrets=%s" % (
            text(request, 1), dict(fields(dict(fields(request))[3]))[1],
            is_mounted(text(request, 2)) and is_mounted(text(request, 4)),
            sorted(pairs(request, 6).items())))
        return b""

    def refuse(self, context):
        if os.path.exists(self.log_path + ".refuse"):
            context.abort(grpc.StatusCode.INTERNAL, "it is busy")

    def unpublish(self, request, context):
        self.refuse(context)
        self.log("unpublish " + text(request, 1))
        unmount(text(request, 2))
        os.rmdir(text(request, 2))
        return b""

    def unstage(self, request, _context):
        self.log("unstage " + text(request, 1))
        unmount(text(request, 2))
        return b""


def main():
    registry, name, data, log = sys.argv[1:]
    endpoint = os.path.join(data, "csi.sock")
    driver = Driver(name, endpoint, data, log)
    for path in (endpoint, os.path.join(registry, name + "-reg.sock")):
        if os.path.exists(path):
            os.unlink(path)
    node = serve(endpoint, {"csi.v1.Node": {
        "NodeGetCapabilities": unary(driver.capabilities),
        "NodeGetInfo": unary(driver.node_info),
        "NodeStageVolume": unary(driver.stage),
        "NodePublishVolume": unary(driver.publish),
        "NodeExpandVolume": unary(driver.expand),
        "NodeGetVolumeStats": unary(driver.stats),
        "NodeUnpublishVolume": unary(driver.unpublish),
        "NodeUnstageVolume": unary(driver.unstage),
    }})
    registration = serve(os.path.join(registry, name + "-reg.sock"), {
        "pluginregistration.Registration": {
            "GetInfo": unary(driver.get_info),
            "NotifyRegistrationStatus": unary(driver.notified),
        }})
    while node and registration:
        time.sleep(60)


if __name__ == "__main__":
    main()
