#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks on a cloudhub: attack.py PART FOLDER LINK-PORT ENROL-PORT PID. FOLDER has hub-ca.pem and
the identity of node n1 (n1.pem, n1.key). Prints a line for each attack; fails if the hub did not do
what it must. Parts: frames, http, slow (faults H1 to H7)."""
import os, socket, ssl, struct, sys, time

part, folder, link, enrol, pid = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
failed = 0
began_at = time.monotonic()
KEEPALIVE = b'{"header":{"msg_id":"1"},"route":{"source":"x","operation":"keepalive","resource":"a"},"content":"%s"}'
PING_MESSAGE = b'{"header":{"msg_id":"7"},"route":{"source":"x","operation":"ping","resource":"y"}}'


def check(name, well, got):
    global failed
    failed += not well
    print("%5.1f s  %s%s: %s" % (time.monotonic() - began_at, "ok    " if well else "FAIL  ", name, got), flush=True)


def sanitized():
    with open("/proc/%d/maps" % pid) as file:
        return "libasan" in file.read()


def memory():
    """Anonymous memory of the hub, in KiB; 0 with a sanitizer, which keeps what was freed."""
    if sanitized():
        return 0
    with open("/proc/%d/status" % pid) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("RssAnon"))


def tls(port, identity):
    context = ssl.create_default_context(cafile=folder + "/hub-ca.pem")
    context.check_hostname = False
    if identity:
        context.load_cert_chain(folder + "/n1.pem", folder + "/n1.key")
    raw = socket.create_connection(("127.0.0.1", port), 20)
    return context.wrap_socket(raw)


def receive(sock, count):
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


# ---- WebSocket frames (RFC 6455 section 5; the cases are those of the Autobahn test suite) ----

def dial(extra=b""):
    sock = tls(link, True)
    sock.sendall(b"GET /p/n1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
                 b"Node_id: n1\r\nProject_id: p\r\nConnectionuse: msg\r\n" + extra + b"\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(1)
        if not more:
            raise EOFError
        head += more
    assert head.startswith(b"HTTP/1.1 101") and b"extensions" not in head.lower(), head
    return sock


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, claimed=None):
    size = len(payload) if claimed is None else claimed
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = masked << 7
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    mask = b"\x11\x22\x33\x44"
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def outcome(sock, seconds=15):
    """The code it is closed with; "cut": without one; "pong": it is as well as before."""
    sock.settimeout(seconds)
    try:
        while True:
            first, second = receive(sock, 2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", receive(sock, 2))[0]
            elif size == 127:
                size = struct.unpack(">Q", receive(sock, 8))[0]
            body = receive(sock, size)
            if first & 15 == 8:
                return struct.unpack(">H", body[:2])[0] if size >= 2 else 1005
            if first & 15 == 1 and b'"parent_msg_id":"7"' in body:
                return "pong"
    except socket.timeout:
        return "silence"
    except (EOFError, OSError):
        return "cut"


def attack_frames(name, data, expected):
    sock = dial()
    try:
        sock.sendall(data)
        if "pong" in expected:
            sock.sendall(frame(1, PING_MESSAGE))
    except OSError:
        pass  # it has hung up already
    got = outcome(sock)
    sock.close()
    check(name, got in expected, got)


def frames():
    text, more, close, ping, pong = 1, 0, 8, 9, 10
    alive = ["pong"]
    wrong = [1002, "cut"]  # section 7.1.7: a code may be sent, or none
    split = KEEPALIVE % "ü€".encode()
    at = split.index("€".encode()) + 1
    rows = [
        ("whole message", frame(text, KEEPALIVE % b"a"), alive),
        ("fragments that split a character", frame(text, split[:at], fin=False) + frame(more, split[at:]), alive),
        ("ping between fragments", frame(text, split[:9], fin=False) + frame(ping, b"x") + frame(more, split[9:]), alive),
        ("pong that nobody asked for", frame(pong, b"x" * 125), alive),
        ("unmasked", frame(text, KEEPALIVE % b"a", masked=False), wrong),
        ("RSV1", frame(text, KEEPALIVE % b"a", rsv=4), wrong),
        ("RSV2", frame(text, KEEPALIVE % b"a", rsv=2), wrong),
        ("RSV3", frame(text, KEEPALIVE % b"a", rsv=1), wrong),
        ("opcode 3", frame(3, b"x"), wrong),
        ("opcode 11", frame(11, b""), wrong),
        ("ping of 126 bytes", frame(ping, b"x" * 126), wrong),
        ("ping in fragments", frame(ping, b"x", fin=False), wrong),
        ("nothing to continue", frame(more, b"x"), wrong),
        ("text within a text", frame(text, b"{", fin=False) + frame(text, b"}"), wrong),
        ("no UTF-8", frame(text, b"\xff\xfe"), [1007, "cut"]),
        ("no UTF-8 in the second fragment", frame(text, b"{", fin=False) + frame(more, b"\xc0\xaf"), [1007, "cut"]),
        ("close with one byte", frame(close, b"x"), wrong + [1005]),
        ("close with 999", frame(close, struct.pack(">H", 999)), wrong),
        ("close with 1005", frame(close, struct.pack(">H", 1005)), wrong),
        ("close in order", frame(close, struct.pack(">H", 1000)), [1000, "cut"]),
        ("length beyond 63 bits", frame(text, b"", claimed=1 << 63), [1002, 1009, "cut"]),
        ("70,000 fragments of a byte", frame(text, b"{", fin=False) + frame(more, b" ", fin=False) * 70000, [1008, "cut"]),
        ("200,000 empty fragments", frame(text, b"{", fin=False) + frame(more, b"", fin=False) * 200000, [1008, "cut"]),
        ("33 MiB", frame(2, b"x" * 9, claimed=33 << 20), [1009]),
    ]
    for row in rows:
        attack_frames(*row)
    claims()
    budget()
    pings()
    dial(b"Sec-WebSocket-Extensions: permessage-deflate\r\n").close()
    check("no compression is agreed on (H5)", True, "none")
    attack_frames("after all", frame(text, KEEPALIVE % b"a"), alive)


def claims():
    """faults H3, CVE-2026-62370: memory is for what has come, not for what is announced."""
    socks = [dial() for _ in range(8)]
    before = memory()
    for sock in socks:
        sock.sendall(frame(1, b"{", claimed=30 << 20))
    time.sleep(0.5)
    grown = memory() - before
    check("8 announcements of 30 MiB", grown <= 8 * 64, "%d KiB" % grown)
    for sock in socks:
        sock.close()
    attack_frames("4 GiB announced", frame(1, b"{", claimed=4 << 30), [1009])


def budget():
    """faults H2: what is not whole is bounded for all links together, at 64 MiB. (A mask of 0
    leaves the payload as it is.)"""
    part = b" " * (29 << 20)
    begun = b"\x01\xff" + struct.pack(">Q", len(part)) + bytes(4)
    before = memory()
    socks = [dial() for _ in range(3)]
    for sock in socks:
        try:
            sock.sendall(begun + part)
        except OSError:
            pass
    got = outcome(socks[2])
    grown = memory() - before
    check("3 x 29 MiB begun", got in (1009, "cut") and grown <= 66 << 10, "%s, %d KiB" % (got, grown))
    for sock in socks:
        sock.close()


def pings():
    """A flood whose answers nobody reads."""
    sock = dial()
    before = memory()
    sock.settimeout(5)
    try:
        for _ in range(200):
            sock.sendall(frame(9, b"x" * 125) * 500)
        got = "taken"
    except OSError as error:
        got = type(error).__name__
    grown = memory() - before
    check("100,000 pings", grown <= 1024, "%s, %d KiB" % (got, grown))
    sock.close()


# ---- HTTP ----

def ask(port, data, identity, seconds=3):
    """Status of the answer; 0: it hung up, or went on waiting, without one."""
    try:
        sock = tls(port, identity)
        sock.settimeout(seconds)
        try:
            sock.sendall(data)
        except OSError:
            pass
        head = b""
        while len(head) < 12:
            more = sock.recv(12 - len(head))
            if not more:
                return 0
            head += more
        sock.close()
        return int(head[9:12])
    except (OSError, ValueError):
        return 0


def http():
    host = b"Host: 127.0.0.1\r\n"
    refused = [0, 400, 401, 403, 404, 405, 413, 414, 431]
    get = b"GET /edge.crt HTTP/1.1\r\n" + host
    rows = [
        ("64 KiB in one header", get + b"X: " + b"a" * 65536 + b"\r\n\r\n", refused),
        ("64 KiB of path", b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("10,000 headers", get + b"".join(b"X-%d: y\r\n" % i for i in range(10000)) + b"\r\n", refused),
        ("both kinds of length", get + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", refused),
        ("a length and another", get + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", refused),
        ("chunks", get + b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", refused),
        ("a length that is none", get + b"Content-Length: 0x4\r\n\r\nabcd", refused),
        ("a negative length", get + b"Content-Length: -4\r\n\r\n", refused),
        ("a body of 1 GiB", get + b"Content-Length: 1073741824\r\n\r\n" + b"a" * 100000, [413]),
        ("traversal", b"GET /../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("coded traversal", b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("absolute URI of another", b"GET http://10.0.0.1/latest/meta-data HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("NUL in the path", b"GET /ca\x00.crt HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("NUL in a header", get + b"NodeName: n\x001\r\n\r\n", refused),
        ("no method", b"\r\n\r\n\r\n", refused),
        ("a method of its own", b"STEAL /ca.crt HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("connect", b"CONNECT 10.0.0.1:22 HTTP/1.1\r\n" + host + b"\r\n", refused),
        ("post", b"POST /ca.crt HTTP/1.1\r\n" + host + b"Content-Length: 2\r\n\r\nxx", refused),
        ("garbage", b"\x16\x03\x01" + bytes(range(256)) + b"\r\n\r\n", refused),
    ]
    before = memory()
    for name, data, expected in rows:
        for port, identity in ((enrol, False), (link, True)):
            allowed = expected if port == enrol else refused
            got = ask(port, data, identity, 3 if 0 in allowed else 20)
            check("%s at %s" % (name, "enrolment" if port == enrol else "link"), got in allowed, got)
    grown = memory() - before
    check("memory", grown <= 2048, "%d KiB" % grown)
    got = ask(enrol, b"GET /ca.crt HTTP/1.1\r\n" + host + b"\r\n", False, 20)
    check("after all", got == 200, got)


# ---- peers that are slow ----

SILENT, HALF, HEADERS = 400, 400, 60


def wait_for_end(socks, seconds):
    """How many are still open after so long, and when the last one ended."""
    start, last = time.monotonic(), 0.0
    socks = list(socks)
    while socks and time.monotonic() - start < seconds:
        still = []
        for sock in socks:
            try:
                sock.setblocking(False)
                if sock.recv(4096) == b"":
                    raise ConnectionError
                still.append(sock)
            except (BlockingIOError, ssl.SSLWantReadError):
                still.append(sock)
            except OSError:
                sock.close()
        if len(still) < len(socks):
            last = time.monotonic() - start
        socks = still
        time.sleep(0.1)
    return len(socks), last


def slow():
    before = memory()
    silent = [socket.create_connection(("127.0.0.1", link), 10) for _ in range(SILENT)]
    half = [socket.create_connection(("127.0.0.1", link), 10) for _ in range(HALF)]
    for sock in half:
        sock.sendall(b"\x16")
    began = []
    for _ in range(HEADERS):
        began.append(tls(enrol, False))
        began[-1].sendall(b"GET /ca.crt HTTP/1.1\r\nHost: ")
    time.sleep(0.5)
    each = (memory() - before) / (SILENT + HALF + HEADERS)
    check("memory of each", each <= 8, "%.1f KiB" % each)
    times = []
    for _ in range(20):
        start = time.monotonic()
        dial().close()
        times.append(time.monotonic() - start)
    middle = sorted(times)[len(times) // 2]  # a busy machine takes longer now and then
    check("a real node connects", middle <= 1, "%.0f ms, %.0f ms at most" % (middle * 1000, max(times) * 1000))
    start = time.monotonic()
    got = ask(enrol, b"GET /ca.crt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", False, 8)
    took = time.monotonic() - start
    check("a real node enrols", got == 200, "%d, %.0f ms" % (got, took * 1000))
    left, last = wait_for_end(silent + half, 12)
    check("all who said nothing are dropped", left == 0, "%d left, the last after %.1f s" % (left, last))
    for sock in began:
        sock.close()


{"frames": frames, "http": http, "slow": slow}[part]()
sys.exit(1 if failed else 0)
