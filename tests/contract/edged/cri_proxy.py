#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A runtime that has no events of containerd's: cri_proxy.py REAL OWN [none].

What comes to the socket OWN goes to that of containerd, REAL. It tells what happens by CRI's
GetContainerEvents, as CRI-O does; with none, by nothing.
"""
import sys
import threading

sys.dont_write_bytecode = True
from concurrent import futures

import grpc
from grpc_peer import field, fields, same, stream, text, unary

SUBSCRIBE = "/containerd.services.events.v1.Events/Subscribe"
EVENTS = "/runtime.v1.RuntimeService/GetContainerEvents"
STARTED, STOPPED = 1, 2


class Proxy(grpc.GenericRpcHandler):
    def __init__(self, real, told):
        self.channel = grpc.insecure_channel("unix://" + real)
        self.told = told

    def service(self, details):
        if details.method == SUBSCRIBE or (details.method == EVENTS and not self.told):
            return None  # UNIMPLEMENTED
        if details.method == EVENTS:
            return stream(self.events)
        return unary(lambda request, context: self.ask(details, request, context))

    def ask(self, details, request, context):
        call = self.channel.unary_unary(details.method, same, same)
        try:
            return call(request, timeout=60)
        except grpc.RpcError as error:
            return context.abort(error.code(), error.details())

    def events(self, _request, _context):
        subscribe = self.channel.unary_stream(SUBSCRIBE, same, same)
        envelopes = subscribe(field(1, 'topic=="/tasks/exit",namespace==k8s.io'))
        yield field(1, "subscribed") + field(2, STOPPED)
        for envelope in envelopes:
            event = exit_of(envelope)
            yield field(1, "another") + field(2, STARTED)
            yield field(1, text(event, 1)) + field(2, STOPPED)


def exit_of(envelope):
    """The bytes of the TaskExit in the Any of an Envelope."""
    return dict(fields(dict(fields(envelope))[4]))[2]


def main(real, own, told="told"):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((Proxy(real, told != "none"),))
    server.add_insecure_port("unix://" + own)
    server.start()
    threading.Event().wait()


main(*sys.argv[1:])
