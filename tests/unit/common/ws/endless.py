# SPDX-License-Identifier: Apache-2.0
"""A server that never comes to an end: endless.py FOLDER WHAT. Its certificate and key are FOLDER/cert and FOLDER/key.
Prints "listening port=N", answers one request with WHAT, 64 MiB at most, and writes "sent=N", the bytes that it got rid of, to
FOLDER/sent."""
import socket
import ssl
import sys

MOST = 64 << 20
ANSWERS = {
    "body": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99999999999\r\n\r\n",
    "chunks": b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    "until-closed": b"HTTP/1.1 500 Oh\r\n\r\n",
    "header": b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: ",
    "headers": b"HTTP/1.1 101 Switching Protocols\r\n",
    "status": b"HTTP/1.1 403 ",
}
MORE = {"headers": b"X-More: x\r\n" * 1000}


def answer(peer, what):
    """Sends until the peer has had enough; returns the number of bytes."""
    sent = 0
    try:
        peer.recv(65536)
        peer.sendall(ANSWERS[what])
        while sent < MOST:
            more = MORE.get(what, b"a" * 16384)
            peer.sendall(more)
            sent += len(more)
    except OSError:
        pass
    return sent


def main():
    folder, what = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/cert", f"{folder}/key")
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening port={listener.getsockname()[1]}", flush=True)
    listener.settimeout(10)
    plain, _ = listener.accept()
    sent = 0
    try:
        with context.wrap_socket(plain, server_side=True) as peer:
            peer.settimeout(10)
            sent = answer(peer, what)
    except OSError:
        pass
    with open(f"{folder}/sent", "w", encoding="ascii") as file:
        file.write(f"got rid of: sent={sent}\n")


main()
