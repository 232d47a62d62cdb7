#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A CloudCore's tunnel server in front of an edgehub: cloudcore.py PORT PART..., in a folder with ca.pem, server.pem,
server.key. edged is the test's (test_edgehub_tunnel.c). Prints a line for each check."""
import os, sys

sys.path.insert(0, os.environ["SUPPORT"])
from tunnel import (ATTACH, CLOSE, DATA, EXEC, GONE, LOGS, METRICS, PATH, REMOVE, Listener,  # noqa: E402
                    url)

failed = 0
listener = Listener(int(sys.argv[1]), "server.pem", "server.key", "ca.pem")


def check(name, got, want):
    global failed
    failed += got != want
    print("%s %s%s" % ("ok    " if got == want else "FAIL  ", name, "" if got == want else ": %r, not %r" % (got, want)),
          flush=True)


def whole(tunnel, number):
    """All DATA of a request, up to its end; whatever comes of others is an error."""
    out = b""
    while True:
        got, kind, data = tunnel.hear()
        assert got == number, (got, kind, data)
        if kind == REMOVE:
            return out
        assert kind == DATA
        out += data


def some(tunnel, number, count):
    out = b""
    while len(out) < count:
        got, kind, data = tunnel.hear()
        assert (got, kind) == (number, DATA), (got, kind, data)
        out += data
    return out


def ended(tunnel):
    try:
        while True:
            tunnel.hear()
    except GONE:
        return True


UPGRADE = {"Connection": ["Upgrade"], "Upgrade": ["SPDY/3.1"], "X-Stream-Protocol-Version": ["v4.channel.k8s.io", "v3"]}


def begins():
    tunnel = listener.accept()
    check("asks as an EdgeCore", (tunnel.line.split()[1], tunnel.headers["sessionhostnameoverride"], tunnel.peer),
          (PATH, "n1", "system:node:n1"))
    return tunnel


def logs():
    tunnel = begins()
    tunnel.ask(1, LOGS, url("/containerLogs/default/p/c", "follow=true&tailLines=3"), {"Accept-Encoding": ["identity"]})
    check("body alone", whole(tunnel, 1), b"hello\n")
    tunnel.ask(2, METRICS, url("/missing"), {})
    check("text of an error", whole(tunnel, 2), b"none")
    tunnel.ask(3, EXEC, url("/missing"), {}, "GET")
    check("all of HTTP", whole(tunnel, 3),
          b"HTTP/1.1 404 Error\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnone")
    tunnel.ask(3, EXEC, url("/unmeasured"), {}, "GET")
    check("an answer of no length", whole(tunnel, 3),
          b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
          b"6\r\nhello\n\r\n0\r\n\r\n")
    tunnel.ask(4, LOGS, url("/broken"), {})
    check("broken off", whole(tunnel, 4), b"hello\n")
    tunnel.ask(5, EXEC, url("/nothing"), {}, "GET")
    check("no answer", whole(tunnel, 5).split(b"\r\n")[0], b"HTTP/1.1 503 Error")
    for number, body in ((6, b"{"), (7, b"{}"), (8, b'{"url":{"Path":"x"}}'), (9, b'{"url":{"Path":"/a","RawQuery":"b c"}}')):
        tunnel.say(number, LOGS, body)
        check("no request", whole(tunnel, number), b"")
    tunnel.ask(1 << 62, LOGS, url("/containerLogs/default/p/c"), {})
    check("any number", whole(tunnel, 1 << 62), b"hello\n")
    tunnel.ask(10, LOGS, url("/large"), {})
    got = whole(tunnel, 10)
    check("8 MiB arrive", (len(got), set(got)), (8 << 20, {120}))
    tunnel.say(99, DATA, b"of nobody")
    tunnel.say(99, 77, b"of no kind")
    tunnel.say(99, REMOVE)
    check("REMOVE of nobody is answered", tunnel.hear(), (99, REMOVE, b""))
    tunnel.close()


def execs():
    tunnel = begins()
    for number, kind in ((1, EXEC), (2, ATTACH)):
        tunnel.ask(number, kind, url("/exec/default/p/c", "command=a"), UPGRADE, "POST")
        want = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
        check("upgraded", some(tunnel, number, len(want)), want)
        tunnel.say(number, DATA, b"\x00\xff\x80 up")
        check("both ways", some(tunnel, number, 6), b"\x00\xff\x80 up")
        block = bytes(range(256)) * 256
        for _ in range(32):  # 2 MiB: far more than edged has credit for
            tunnel.say(number, DATA, block)
        check("2 MiB come back", some(tunnel, number, 32 * len(block)) == block * 32, True)
    for _ in range(1000):  # as a CloudCore does, without a pause, when a client is killed
        tunnel.say(1, REMOVE)
    check("each is answered", {tunnel.hear() for _ in range(1000)}, {(1, REMOVE, b"")})
    tunnel.say(2, DATA, b"quit")
    check("the node ends", tunnel.hear(), (2, REMOVE, b""))
    tunnel.ask(3, EXEC, url("/exec/default/p/c"), UPGRADE, "POST")
    tunnel.hear()
    tunnel.ask(3, LOGS, url("/containerLogs/default/p/c"), {})  # what used the number is given up
    check("a number again", whole(tunnel, 3), b"hello\n")
    for number in range(100, 165):
        tunnel.ask(number, LOGS, url("/silent"), {})
    check("64 at once", tunnel.hear(), (164, REMOVE, b""))
    tunnel.close()  # all the others are given up, says the test


def frames():
    for name, send in (("binary", lambda t: t.message(2, b"\x01")), ("nothing", lambda t: t.message(1, b"")),
                       ("half a number", lambda t: t.message(1, b"\x80")), ("no type", lambda t: t.message(1, b"\x01")),
                       ("over 1 MiB", lambda t: t.message(1, b"\x01\x03" + b"x" * ((1 << 20) + 1))),
                       ("CLOSE", lambda t: t.say(0, CLOSE, b"node unknown"))):
        tunnel = begins()
        tunnel.ask(1, LOGS, url("/silent"), {})
        try:
            send(tunnel)
        except GONE:
            pass
        check(name + " ends the tunnel", ended(tunnel), True)
        tunnel.close()
    tunnel = begins()
    tunnel.ask(1, LOGS, url("/containerLogs/default/p/c"), {})
    check("and it comes again", whole(tunnel, 1), b"hello\n")
    tunnel.close()


def stalls():
    """What edged does not take holds the cloud back; the hub holds little."""
    tunnel = begins()
    tunnel.ask(1, EXEC, url("/stalled"), UPGRADE, "POST")
    tunnel.hear()
    tunnel.sock.settimeout(1)
    sent, block = 0, b"x" * 60000
    try:
        while sent < 64 << 20:
            tunnel.say(1, DATA, block)
            sent += len(block)
    except TimeoutError:
        pass
    check("the cloud is held back", sent < 32 << 20, True)
    tunnel.close()


for part in sys.argv[2:]:
    globals()[part]()
sys.exit(failed > 0)
