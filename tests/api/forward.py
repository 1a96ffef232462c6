"""Carries connections on to the switch, each from a loopback address of its own.

The switch refuses a source that showed too many wrong tokens, and schemathesis shows one at each
operation (its check `ignored_auth`). Asked from many addresses, it hears what it wants to hear.

    forward.py HOST PORT

Prints the port that it listens on, and runs until it is ended.
"""

import asyncio
import itertools
import sys

# 127.1.0.1 to 127.1.249.250: each takes its turn.
SOURCES = itertools.cycle(f"127.1.{high}.{low}" for high in range(250) for low in range(1, 251))


async def carry(source, sink):
    """Carries one direction to its end."""
    try:
        while octets := await source.read(65536):
            sink.write(octets)
            await sink.drain()
    except OSError:
        pass
    finally:
        sink.close()


async def serve(reader, writer):
    """Carries one connection."""
    far = await asyncio.open_connection(*SERVER, local_addr=(next(SOURCES), 0))
    await asyncio.gather(carry(reader, far[1]), carry(far[0], writer))


async def main():
    """Listens."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


SERVER = (sys.argv[1], int(sys.argv[2]))
asyncio.run(main())
