# SPDX-License-Identifier: Apache-2.0
"""KubeEdge's stream tunnel as its own programs speak it (pkg/stream): frames in text messages of a WebSocket, both
ends. Written on its own, so that it shares no mistake with what is tested."""
import base64, hashlib, json, socket, ssl, struct

LOGS, EXEC, METRICS, DATA, REMOVE, CLOSE, ATTACH = range(7)
PATH = "/v1/kubeedge/connect"
GONE = (EOFError, OSError)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def url(path, query=""):
    """net/url.URL as Go writes it to JSON."""
    return {"Scheme": "http", "Opaque": "", "User": None, "Host": "127.0.0.1:10350", "Path": path, "RawPath": "",
            "OmitHost": False, "ForceQuery": False, "RawQuery": query, "Fragment": "", "RawFragment": ""}


class Tunnel:
    """One end of it; the client masks what it sends."""

    def __init__(self, sock, client):
        self.sock, self.client = sock, client

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def head(self):
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.receive(1)
        return data.decode()

    def message(self, opcode, payload, fin=True):
        size = len(payload)
        bit = 0x80 if self.client else 0
        head = bytes([fin << 7 | opcode])
        if size < 126:
            head += bytes([bit | size])
        elif size < 65536:
            head += bytes([bit | 126]) + struct.pack(">H", size)
        else:
            head += bytes([bit | 127]) + struct.pack(">Q", size)
        self.sock.sendall(head + (b"\0\0\0\0" if self.client else b"") + payload)

    def say(self, number, kind, data=b""):
        self.message(1, varint(number) + varint(kind) + data)

    def ask(self, number, kind, where, headers, method=None):
        body = {"MessID": number, "url": where, "header": headers}
        if method:
            body["method"] = method
        self.say(number, kind, json.dumps(body).encode())

    def part(self):
        first, second = self.receive(2)
        size = second & 127
        if size == 126:
            size = struct.unpack(">H", self.receive(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.receive(8))[0]
        mask = self.receive(4) if second & 0x80 else b"\0\0\0\0"
        return first, bytes(b ^ mask[i % 4] for i, b in enumerate(self.receive(size)))

    def hear(self):
        """The next frame: number, kind, data. Pings are answered and counted."""
        whole = b""
        while True:
            first, payload = self.part()
            if first & 15 == 8:
                raise EOFError
            if first & 15 == 9:
                self.pings = getattr(self, "pings", 0) + 1
                self.message(10, payload)
            elif first & 15 < 8:
                assert first & 15 != 2, "a message that is not text"
                whole += payload
                if first & 0x80:
                    number, at = read_varint(whole, 0)
                    kind, at = read_varint(whole, at)
                    return number, kind, whole[at:]

    def close(self):
        self.sock.close()


def dial(port, node, pem, key, ca, patience=20):
    """As an EdgeCore does; raises when it is refused."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    context.load_cert_chain(pem, key)
    tunnel = Tunnel(context.wrap_socket(socket.create_connection(("127.0.0.1", port), patience)), True)
    tunnel.sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
                        f"Sessionhostnameoverride: {node}\r\nSessioninternalip: 10.0.0.1\r\n\r\n".encode())
    status = tunnel.head().split("\r\n")[0]
    if " 101 " not in status:
        raise EOFError(status)
    return tunnel


class Listener:
    """As a CloudCore's tunnel server."""

    def __init__(self, port, pem, key, ca):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, key)
        self.context.load_verify_locations(ca)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.sock = socket.create_server(("127.0.0.1", port))
        self.sock.settimeout(20)

    def accept(self):
        """A tunnel, whose headers and certificate are kept."""
        sock = self.context.wrap_socket(self.sock.accept()[0], server_side=True)
        sock.settimeout(20)
        tunnel = Tunnel(sock, False)
        lines = tunnel.head().split("\r\n")
        tunnel.line = lines[0]
        tunnel.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}
        tunnel.peer = dict(pair[0] for pair in sock.getpeercert()["subject"])["commonName"]
        said = tunnel.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        key = base64.b64encode(hashlib.sha1(said.encode()).digest()).decode()
        sock.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Accept: {key}\r\n\r\n".encode())
        return tunnel
