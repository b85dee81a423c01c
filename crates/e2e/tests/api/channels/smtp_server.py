"""An SMTP server for the tests: prints its port, then a line of JSON for each mail that it takes.

    smtp_server.py starttls|tls|plain USER PASSWORD [CERTIFICATE KEY]

Recipients whose name begins with "refused" are refused. Without encryption there is no AUTH, but with `plain`.
"""

import asyncio
import base64
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, user, password, *files = sys.argv[1:]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        texts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": mode == "tls" or session.ssl is not None,
            "user": session.auth_data.decode() if session.auth_data else None,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "subjects": len(mail.get_all("subject")),
            "raw": base64.b64encode(envelope.content).decode(),
            "texts": texts,
        }
        print(json.dumps(told), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == user.encode() and data.password == password.encode()
    # Not handled: the server answers what it is to answer.
    return AuthResult(success=good, handled=False, auth_data=data.login if good else None)


context = None
if files:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
settings = {
    "authenticator": authenticate,
    "auth_required": bool(user),
    "auth_require_tls": mode == "starttls",
    "require_starttls": mode == "starttls",
    "tls_context": context if mode == "starttls" else None,
    "hostname": "localhost",
}


async def serve():
    loop = asyncio.get_running_loop()
    encrypted = context if mode == "tls" else None
    server = await loop.create_server(lambda: SMTP(Handler(), **settings), "127.0.0.1", 0, ssl=encrypted)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Until the test ends.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
