"""Holds many idle connections open to a sandbox and calls it at the same time.

Usage, after sourcing its d1.env: idle.py [CONNECTIONS]. Needs as many open files (ulimit -n).
"""

import asyncio
import os
import ssl
import sys
from urllib.parse import urlsplit


async def main(count):
    url = urlsplit(os.environ["D1_BASE_URL"])
    tls = ssl.create_default_context(cafile=os.environ["D1_CA"])
    tls.load_cert_chain(os.environ["D1_CLIENT_CERT"], os.environ["D1_CLIENT_KEY"])
    gate = asyncio.Semaphore(64)

    async def connect():
        async with gate:
            return await asyncio.open_connection(url.hostname, url.port, ssl=tls)

    connections = await asyncio.gather(*(connect() for _ in range(count)))
    print(f"{len(connections)} connections are open")
    # The first, one in the middle and the last still answer.
    for reader, writer in (connections[0], connections[count // 2], connections[-1]):
        writer.write(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await writer.drain()
        print((await reader.readline()).decode().strip())


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
