"""aiosmtpd with a handler that forgets, and replies for each recipient as RFC 2033 wants it: the library
by itself sends one reply in all."""
import asyncio, sys
from aiosmtpd.lmtp import LMTP

class Forgets:
    async def handle_DATA(self, server, session, envelope):
        return '\r\n'.join('250 Ok' for recipient in envelope.rcpt_tos)

async def main():
    serve = lambda: LMTP(Forgets(), data_size_limit=None)
    server = await asyncio.get_running_loop().create_server(serve, '127.0.0.1', int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
