#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens requests to a node's API at cloudhub, as an API server does, and kills their clients at random:
streams.py PORT CERT COUNT SEED PATH... Each PATH is asked by WebSocket if it begins with /exec, else by a
plain GET. What a client has got when it is killed is looked at: a refusal fails. Prints how many were
opened, answered and refused."""
import asyncio
import collections
import random
import socket
import ssl
import struct
import sys

AT_ONCE = 16
LONGEST_S = 0.3
REQUEST = "GET {} HTTP/1.1\r\nHost: cloudhub\r\n{}\r\n"
UPGRADE = ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n")

port, cert, count, seed = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
paths = sys.argv[5:]
chance = random.Random(seed)
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(cert)
seen = collections.Counter()


def frame(data):
    """A masked binary frame for stdin (channel 0)."""
    body = b"\0" + data
    return bytes([0x82, 0x80 | 126]) + struct.pack(">H", len(body)) + b"\0\0\0\0" + body


async def talk(reader, writer, path):
    """Until it is killed: says something, and takes what comes."""
    writer.write(REQUEST.format(path, UPGRADE if path.startswith("/exec") else "").encode())
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    if status not in (101, 200):
        print(head.decode(), await reader.read(500), file=sys.stderr)
        seen["refused"] += 1
        return
    seen["answered"] += 1
    if "input=1" in path:
        writer.write(frame(b"x" * 2000))
    while await reader.read(65536):
        pass


async def session(path, seconds, rudely):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    sock = writer.get_extra_info("socket")
    seen["opened"] += 1
    try:
        await asyncio.wait_for(talk(reader, writer, path), seconds)
    except (asyncio.TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        pass
    if rudely and sock.fileno() >= 0:  # the other side may have closed it meanwhile
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main():
    gate = asyncio.Semaphore(AT_ONCE)
    # Drawn before any runs: the same for the same seed.
    plans = [(chance.choice(paths), chance.random() * LONGEST_S, chance.random() < 0.5) for _ in range(count)]

    async def one(plan):
        async with gate:
            await session(*plan)

    await asyncio.gather(*(one(plan) for plan in plans))
    print(f"opened {seen['opened']} answered {seen['answered']} refused {seen['refused']}")
    sys.exit(1 if seen["refused"] or seen["answered"] < count // 2 else 0)


asyncio.run(main())
