#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An EdgeCore in front of a cloudhub, and who asks at the kubelet's port: cloudstream.py LINK-PORT KUBELET-PORT
TUNNEL-PORT, in a folder with hub-ca.pem, n1.pem, n1.key and client.pem, client.key. Prints a line for each check."""
import json, os, socket, ssl, sys, threading, time

sys.path.insert(0, os.environ["SUPPORT"])
from tunnel import ATTACH, DATA, EXEC, GONE, REMOVE, Tunnel, dial  # noqa: E402

LINK, KUBELET, TUNNEL = (int(word) for word in sys.argv[1:4])
failed = 0


def check(name, got, want):
    global failed
    failed += got != want
    print("%s %s%s" % ("ok    " if got == want else "FAIL  ", name, "" if got == want else ": %r, not %r" % (got, want)),
          flush=True)


def tls(port, pem, key, address="127.0.0.1"):
    context = ssl.create_default_context(cafile="hub-ca.pem")
    context.check_hostname = False
    if pem:
        context.load_cert_chain(pem, key)
    return context.wrap_socket(socket.create_connection((address, port), 20))


def link():
    """The node's own connection, without which its tunnel does not serve."""
    sock = tls(LINK, "n1.pem", "n1.key")
    sock.sendall(b"GET /p/n1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
                 b"Node_id: n1\r\nProject_id: p\r\nConnectionuse: msg\r\n\r\n")
    held = Tunnel(sock, True)
    assert " 101 " in held.head()
    threading.Thread(target=beat, args=(held,), daemon=True).start()
    return held


def beat(held):
    """As a node does, for the hub's patience with it."""
    try:
        while True:
            held.message(1, b'{"header":{"msg_id":"1"},"route":{"source":"websocket","group":"resource",'
                            b'"operation":"keepalive","resource":"node"},"content":"ping"}')
            time.sleep(0.3)
    except GONE:
        pass


def edge(node="n1"):
    return dial(TUNNEL, node, "n1.pem", "n1.key", "hub-ca.pem")


class Client:
    def __init__(self, target, method="GET", headers="", address="127.0.0.1", known=True):
        self.sock = tls(KUBELET, "client.pem" if known else None, "client.key", address)
        self.sock.sendall(f"{method} {target} HTTP/1.1\r\nHost: n1\r\nAuthorization: Bearer secret\r\n{headers}\r\n".encode())
        self.rest = b""

    def head(self):
        while b"\r\n\r\n" not in self.rest:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError
            self.rest += more
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        return int(lines[0].split()[1])

    def more(self, count):
        while len(self.rest) < count:
            got = self.sock.recv(65536)
            if not got:
                raise EOFError
            self.rest += got
        out, self.rest = self.rest[:count], self.rest[count:]
        return out

    def line(self):
        out = b""
        while not out.endswith(b"\r\n"):
            out += self.more(1)
        return out[:-2]

    def body(self):
        if "content-length" in self.headers:
            return self.more(int(self.headers["content-length"]))
        out = b""
        while True:
            size = int(self.line(), 16)
            out += self.more(size)
            self.more(2)
            if size == 0:
                return out

    def answer(self):
        status = self.head()
        return status, self.body()

    def ended(self):
        """Whether the hub has closed; with what came before."""
        try:
            while True:
                got = self.sock.recv(65536)
                if not got:
                    return True
                self.rest += got
        except ConnectionError:
            return True

    def close(self):
        self.sock.close()


def ended(tunnel):
    try:
        while True:
            tunnel.hear()
    except GONE:
        return True


def refused(node):
    try:
        edge(node).close()
        return False
    except GONE:
        return True


LOG = "/containerLogs/default/p/c"
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
SPDY = "Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"


def identities():
    check("without a link", Client(LOG).answer()[0], 503)
    held = link()
    status, text = Client(LOG).answer()
    check("without a tunnel", (status, b"no tunnel" in text), (503, True))
    check("another's name", refused("n2"), True)
    check("no name", refused(""), True)
    check("no text of HTTP", refused("../n1"), True)
    tunnel = edge()
    check("denied", Client("/denied").answer()[0], 403)
    check("no encoding", Client("/containerLogs/%ff/p/c").answer()[0], 400)
    second = edge()
    check("the newer one of a node counts", ended(tunnel), True)
    client = Client(LOG)
    check("it is asked", second.hear()[1], EXEC)
    held.close()
    check("it ends with the link", ended(second), True)
    check("so does what was asked", client.answer()[0], 503)


def logs():
    held, tunnel = link(), edge()
    client = Client(LOG + "?follow=true&tailLines=3", headers="Accept: */*\r\nConnection: keep-alive\r\n")
    number, kind, data = tunnel.hear()
    asked = json.loads(data)
    check("as EXEC", (kind, asked["MessID"], asked["method"]), (EXEC, number, "GET"))
    check("url", asked["url"], {"Scheme": "http", "Opaque": "", "User": None, "Host": "127.0.0.1:10350", "Path": LOG,
                                "RawPath": "", "OmitHost": False, "ForceQuery": False,
                                "RawQuery": "follow=true&tailLines=3", "Fragment": "", "RawFragment": ""})
    check("who asks is not told to the node", "Authorization" in asked["header"], False)
    check("its own connection", asked["header"]["Connection"], ["close"])
    for at in range(0, len(HTTP), 10):
        tunnel.say(number, DATA, HTTP[at:at + 10])
    check("head", (client.head(), client.headers["content-type"]), (200, "text/plain"))
    tunnel.say(number + 1000, DATA, b"of nobody")
    tunnel.say(number + 1000, REMOVE)
    tunnel.say(number, 77, b"of no kind")
    tunnel.say(number, DATA, b"5\r\nab\xff\x00c")
    tunnel.say(number, DATA, b"\r\n3\r")
    tunnel.say(number, DATA, b"\ndef\r\n0\r\n\r\n")
    check("body", client.body(), b"ab\xff\x00cdef")
    check("over", tunnel.hear(), (number, REMOVE, b""))
    tunnel.say(number, REMOVE)
    client = Client("/stats/summary")
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
    check("status and text of the node", client.answer(), (404, b"none"))
    check("over by its length", tunnel.hear(), (number, REMOVE, b""))
    client = Client("/metrics")
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.0 200 OK\r\n\r\none\n")
    tunnel.say(number, DATA, b"two\n")
    tunnel.say(number, REMOVE)
    check("up to the end of the connection", client.answer(), (200, b"one\ntwo\n"))
    client = Client(LOG)
    tunnel.say(tunnel.hear()[0], REMOVE)
    check("nothing comes", client.answer()[0], 503)
    client = Client(LOG)
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"this is no HTTP\r\n\r\n")
    check("no HTTP", client.answer()[0], 503)
    check("over, not understood", tunnel.hear(), (number, REMOVE, b""))
    client = Client(LOG)
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, HTTP + b"xyz\r\n")
    check("bad chunks", (client.head(), client.ended()), (200, True))
    check("over, broken", tunnel.hear(), (number, REMOVE, b""))
    client = Client(LOG)
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n")
    check("101 that nobody asked for", client.answer()[0], 502)
    check("over, not wanted", tunnel.hear(), (number, REMOVE, b""))
    held.close()


def execs():
    held, tunnel = link(), edge()
    for path, kind in (("/exec", EXEC), ("/attach", ATTACH), ("/portForward", EXEC)):
        client = Client(path + "/default/p/c?command=a%20b", "POST", SPDY)
        number, got, data = tunnel.hear()
        asked = json.loads(data)
        check(path + " asks", (got, asked["method"], asked["url"]["RawQuery"]), (kind, "POST", "command=a%20b"))
        check(path + " upgrades", [asked["header"][name] for name in ("Connection", "Upgrade", "X-Stream-Protocol-Version")],
              [["Upgrade"], ["SPDY/3.1"], ["v4.channel.k8s.io"]])
        tunnel.say(number, DATA, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                                 b"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nfirst")
        check(path + " is upgraded", (client.head(), client.headers["x-stream-protocol-version"], client.more(5)),
              (101, "v4.channel.k8s.io", b"first"))
        client.sock.sendall(b"\x00\xff\xfe up")
        check(path + " up", tunnel.hear(), (number, DATA, b"\x00\xff\xfe up"))
        tunnel.say(number, DATA, b"\x80\x03 down")
        check(path + " down", client.more(7), b"\x80\x03 down")
        if kind == EXEC:
            client.close()
            check(path + ": the client is killed", tunnel.hear(), (number, REMOVE, b""))
            tunnel.say(number, REMOVE)
        else:
            tunnel.say(number, REMOVE)
            check(path + ": the node ends", client.ended(), True)
    client = Client("/exec/default/p/c", "POST", SPDY)
    number = tunnel.hear()[0]  # that the other is over was told once, not until it is answered
    tunnel.say(number, DATA, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad")
    check("refused by the node", client.answer(), (400, b"bad"))
    check("over, refused", tunnel.hear(), (number, REMOVE, b""))
    waiting = [Client(LOG) for _ in range(64)]
    numbers = [tunnel.hear()[0] for _ in waiting]
    check("64 at once", len(set(numbers)), 64)
    check("not more", Client(LOG).answer()[0], 429)
    tunnel.close()
    check("all end with the tunnel", {client.answer()[0] for client in waiting}, {503})
    held.close()


def frames():
    """What is none of KubeEdge's ends the tunnel, and nothing else."""
    for name, send in (
            ("binary", lambda tunnel: tunnel.message(2, b"\x01\x03x")),
            ("nothing", lambda tunnel: tunnel.message(1, b"")),
            ("half a number", lambda tunnel: tunnel.message(1, b"\x80")),
            ("no type", lambda tunnel: tunnel.message(1, b"\x01")),
            ("a number over 64 bits", lambda tunnel: tunnel.message(1, b"\xff" * 9 + b"\x02\x03")),
            ("over 1 MiB", lambda tunnel: tunnel.message(1, b"\x01\x03" + b"x" * ((1 << 20) + 1))),
            ("an endless one", endless)):
        held, tunnel = link(), edge()
        client = Client(LOG)
        tunnel.hear()
        try:
            send(tunnel)
        except GONE:
            pass
        check(name, (ended(tunnel), client.answer()[0]), (True, 503))
        tunnel.close()
        again = edge()
        client = Client("/metrics")
        number = again.hear()[0]
        again.say(number, DATA, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        check(name + ", then", client.answer(), (200, b"ok"))
        again.close()
        held.close()


def endless(tunnel):
    tunnel.message(1, b"\x01\x03", fin=False)
    for _ in range(1 << 10):
        tunnel.message(0, b"x" * 65536, fin=False)


def slow():
    """A client that does not read holds the node back; the hub holds little."""
    held, tunnel = link(), edge()
    client = Client(LOG)
    number = tunnel.hear()[0]
    total, block = 64 << 20, b"x" * 60000
    tunnel.say(number, DATA, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
    sent = 0
    tunnel.sock.settimeout(1)
    try:
        while sent < total:
            tunnel.say(number, DATA, block[:total - sent])
            sent += min(len(block), total - sent)
    except socket.timeout:
        pass
    check("the node is held back", sent < total // 2, True)
    tunnel.close()
    held.close()


def many():
    """A long answer arrives whole, also when it is read slowly."""
    held, tunnel = link(), edge()
    if os.fork() == 0:
        client = Client(LOG)
        status, body = client.answer()
        os._exit(0 if (status, len(body), set(body)) == (200, 12 << 20, {120}) else 1)
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (12 << 20))
    for _ in range(12 << 4):
        tunnel.say(number, DATA, b"x" * 65536)
    check("over, all of it", tunnel.hear(), (number, REMOVE, b""))
    check("12 MiB arrive", os.wait()[1], 0)
    tunnel.close()
    held.close()


def replicas():
    """The node is at the other replica, 127.0.0.2, whose links and tunnels are at LINK and TUNNEL."""
    held, tunnel = link(), edge()
    client = Client(LOG + "?follow=true")
    number, kind, data = tunnel.hear()
    asked = json.loads(data)
    check("goes to the other one", (kind, asked["url"]["RawQuery"]), (EXEC, "follow=true"))
    check("without its mark", [name for name in asked["header"] if "coracle" in name.lower()], [])
    tunnel.say(number, DATA, HTTP + b"3\r\nabc\r\n")
    check("and back", (client.head(), client.more(3 + 5)[3:6]), (200, b"abc"))
    client.close()
    check("a killed client ends it there", tunnel.hear(), (number, REMOVE, b""))
    client = Client("/exec/default/p/c", "POST", SPDY)
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\nfirst")
    check("upgraded", (client.head(), client.more(5)), (101, b"first"))
    client.sock.sendall(b"\x00\xff up")
    check("up", tunnel.hear(), (number, DATA, b"\x00\xff up"))
    tunnel.say(number, DATA, b"x" * 900000)
    check("down", client.more(900000) == b"x" * 900000, True)
    tunnel.say(number, REMOVE)
    check("the node ends it", client.ended(), True)
    client = Client("/stats/summary")
    number = tunnel.hear()[0]
    tunnel.say(number, DATA, b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
    check("its status", client.answer(), (404, b"none"))
    check("over", tunnel.hear(), (number, REMOVE, b""))
    now = int(time.time())
    for mark in ("", "n1", "n1 %d" % now, "n1 %d " % now, "n1 %d %s" % (now, "0" * 64), "n1 x y", " ", "n1 99999999999999999999 z"):
        check("mark %r" % mark, Client(LOG, "GET", "X-Coracle-Replica: %s\r\n" % mark, "127.0.0.2", False).answer()[0], 401)
    tunnel.close()
    check("without a tunnel", Client(LOG).answer()[0], 503)
    held.close()
    deadline = time.time() + 30
    while time.time() < deadline and b"not connected" not in Client(LOG).answer()[1]:
        time.sleep(0.05)
    check("at neither", b"not connected" in Client(LOG).answer()[1], True)


def nowhere():
    """Nobody listens at the other replica's address."""
    status, text = Client(LOG).answer()
    check("the other replica is away", (status, text.startswith(b"the other replica: ")), (503, True))
    check("and an exec", Client("/exec/default/p/c", "POST", SPDY).answer()[0], 503)


for part in sys.argv[4:]:
    globals()[part]()
sys.exit(failed > 0)
