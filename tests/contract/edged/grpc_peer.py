# SPDX-License-Identifier: Apache-2.0
"""What the plug-ins of these tests share: Debian's gRPC with messages made by hand."""
import os
from concurrent import futures

import grpc


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A field of bytes, text or a small integer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """The length-delimited and varint fields of a message, as (number, value)."""
    at, out = 0, []

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            out.append((key >> 3, number()))
        else:
            size = number()
            out.append((key >> 3, data[at:at + size]))
            at += size
    return out


def texts(data, number):
    return [value.decode() for n, value in fields(data) if n == number]


def text(data, number):
    found = texts(data, number)
    return found[0] if found else ""


def pairs(data, number):
    """A map<string, string>."""
    return {text(value, 1): text(value, 2) for n, value in fields(data) if n == number}


def same(data):
    return data


def unary(function):
    return grpc.unary_unary_rpc_method_handler(function, same, same)


def stream(function):
    return grpc.unary_stream_rpc_method_handler(function, same, same)


def serve(path, services):
    """A server at a Unix socket; services: name to methods."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers(tuple(
        grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()))
    server.add_insecure_port("unix://" + path)
    server.start()
    return server


def identity(path):
    """Of a file: a number of an inode alone may come again."""
    try:
        found = os.stat(path)
        return found.st_ino, found.st_ctime_ns
    except FileNotFoundError:
        return None
