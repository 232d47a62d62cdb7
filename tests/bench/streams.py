#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows a container's log by cloudhub's port 10003, appends lines to the file that the runtime writes, and
times each from before the write until the client has it: streams.py PORT CERT PATH FILE COUNT. Prints p50
and p99 in microseconds."""
import datetime
import socket
import ssl
import sys
import time

port, cert, path, file, count = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
PAUSE_S = 0.02

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(cert)
stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
stream.settimeout(10)
stream.sendall(f"GET {path} HTTP/1.1\r\nHost: cloudhub\r\n\r\n".encode())
got = b""


def until(mark):
    global got
    while mark not in got:
        piece = stream.recv(65536)
        if not piece:
            sys.exit("the log has ended")
        got += piece
    got = got[got.index(mark) + len(mark):]


until(b"\r\n\r\n")
took = []
with open(file, "a", buffering=1) as log:
    for i in range(count):
        now = datetime.datetime.utcnow().isoformat() + "000Z"
        began = time.monotonic()
        log.write(f"{now} stdout F marked {i}.\n")
        until(f"marked {i}.".encode())
        took.append(time.monotonic() - began)
        time.sleep(PAUSE_S)
took.sort()
print(int(took[len(took) // 2] * 1e6), int(took[len(took) * 99 // 100] * 1e6))
