#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""post URL CLIENTS SECONDS: POSTs to URL from CLIENTS keep-alive connections, each one at a time, and
prints how many were answered 200 a second, and the median and slowest answer in milliseconds.
After 429 (no room) a connection pauses for 20 ms; any other answer makes the exit code 1."""
import asyncio
import sys
import time
import urllib.parse


async def client(url, number, end, took, others):
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    count = 0
    while time.monotonic() < end:
        count += 1
        body = f"{number}-{count}".encode()
        began = time.monotonic()
        writer.write(
            f"POST {url.path} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {number}-{count}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        status = int((await reader.readline()).split()[1])
        length = 0
        while (line := await reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        await reader.readexactly(length)
        if status == 200:
            took.append(time.monotonic() - began)
        else:
            others[status] = others.get(status, 0) + 1
            await asyncio.sleep(0.02)
    writer.close()


async def main(url, clients, seconds):
    took, others = [], {}
    end = time.monotonic() + seconds
    await asyncio.gather(*(client(url, i, end, took, others) for i in range(clients)))
    took.sort()
    middle = took[len(took) // 2] * 1000 if took else 0
    most = took[-1] * 1000 if took else 0
    print(f"{len(took) / seconds:.0f}/s p50 {middle:.1f} ms, slowest {most:.1f} ms, not 200: {others}")
    return 0 if took and not set(others) - {429} else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(urllib.parse.urlparse(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
