"""The half of a relay that is in the cluster's network; ends when its standard input does.

usage: relay_end.py LISTENER=HOST:PORT...    LISTENER: a listening socket's file descriptor

A listening socket stays in the network where it was made, and a new connection is made in the
network where this runs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading

_CHUNK = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_CHUNK):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.transport.abort()
        return
    try:
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    except OSError:
        pass  # the one side hears of the other side's end by the connection's end
    finally:
        writer.close()
        far_writer.close()


async def _listen(argument: str) -> None:
    number, _, target = argument.partition("=")
    host, _, port = target.rpartition(":")
    listener = socket.socket(fileno=int(number))
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, host, int(port)), sock=listener
    )
    await server.serve_forever()


async def _main(arguments: list[str]) -> None:
    await asyncio.gather(*map(_listen, arguments))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(_main(sys.argv[1:]))
