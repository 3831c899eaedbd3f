"""Signs messages with dkimpy, or verifies them.

    signatures.py sign FOLDER     writes signed messages; the name of each begins with `kept` or `lost`, and says
                            whether the signature must survive the list
    signatures.py verify FOLDER   prints the name of each message, and whether its signature is valid
"""

import base64
import itertools
import pathlib
import sys

import dkim
import nacl.signing

# A key for this test alone.
RSA = b"""-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDAl+Y+cosTYH9VDWSKfonsC7UpZDWw7rNDkwpsdbIeFZ0fgKDg
cXs87e4jHvyySv1eSAdGbzft7jS2Yb//I0Y8zUQfr7xeDv8gyyIbcubxFR66ZG8z
P/IBymsU3rX1v/+9bwABjtT6Xdj2lwvwvzh7QZ58huM9SqJ4Bao+zx0XAwIDAQAB
AoGBAIuVzEdYZ1oc50yyjzsdaUMOXTfprExXRM/mI3jmeLj7O0zYwkDJnuNTIvSL
geSLG0WY+MTg2O12ZvgEss3tN/qWns3UtcsXAz5l7o0P5sJfZsCWeJe1DBWUmA69
ClaTTzIAy4A/xJqjGHUnqb/Si61sy36du/fBKMvEii7oZwvJAkEA/dT2CWX92TpW
qG8fayo6xEmq3gzxZHDn4tWzfNTS7hEzGp4vgQCV6VHKPF5NiLPVgdcbI7v+cJah
1BqPfqg9xwJBAMI9CB5NBURmTtOD/4PNEA0v18jdB/WD/JODZ4KAj+QZ8OYehUA+
oTgRLt13yDzizb+D4mhMFgqFyYrckfyDjOUCQQCcxJZgH5m0PA+hX2AsM5yv9j+N
fLjpq8HLmuiLxHWxivXhDqmQJuhvfZBF0IhaUZcf5dZhL45pwt6XvP+63fWpAkBl
l9J1Nse4fOJh0zqDz2/D1fBBSQpuqbgj16j+IwwfvEm5suDzN07Pqn0erRX4cpA2
yV5UOueUXWGK1c8tigjZAkAv+XIRzkcexCfdddBh/tZnIhHlx7NBeiWjzO9TQOTq
kocW00/ZCzqWt7vY7tjRvmhsOCl8zI04k5QJpw3UK9EB
-----END RSA PRIVATE KEY-----
"""
RSA_PUBLIC = b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAl+Y+cosTYH9VDWSKfonsC7UpZDWw7rNDkwpsdbIeFZ0fgKDgcXs87e4jHvyySv1eSAdGbzft7jS2Yb//I0Y8zUQfr7xeDv8gyyIbcubxFR66ZG8zP/IBymsU3rX1v/+9bwABjtT6Xdj2lwvwvzh7QZ58huM9SqJ4Bao+zx0XAwIDAQAB"
ED25519 = nacl.signing.SigningKey(b"a key for this test alone, 32 oc")

KEYS = {
    b"rsa": (b"rsa-sha256", RSA, b"v=DKIM1; k=rsa; p=" + RSA_PUBLIC),
    b"ed25519": (
        b"ed25519-sha256",
        base64.b64encode(bytes(ED25519)),
        b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(ED25519.verify_key)),
    ),
}

# The fields in h=. A name that is there more often than the field is oversigned: the field must not be added.
KEPT = [
    "from",
    "from to subject date message-id",
    "from from to to subject subject",
    "from to cc cc subject date message-id in-reply-to references reply-to reply-to sender sender",
    "from mime-version content-type content-transfer-encoding content-type mime-version",
    "from user-agent x-mailer errors-to archived-at organization",
    # What dkimpy signs of these messages unless it is asked to sign other fields.
    None,
]

# A list removes, replaces or adds these.
LOST = [
    "from list-unsubscribe",
    "from list-id list-post",
    "from precedence",
    "from x-beenthere",
    "from disposition-notification-to",
]

HEADER = """\
Received: from client.example by mail.example.org; Mon, 1 Jan 2024 00:00:00 +0000
From: Anne  Author <anne@example.org>
To: =?utf-8?q?L=C3=BCster?= <mylist@example.com>,
\tbob@example.org
Subject:  @NAME@ is   folded
  here
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <@NAME@@example.org>
References: <1@example.org>
Bcc: hidden@example.org
Disposition-Notification-To: anne@example.org
User-Agent: x
"""

BODIES = [
    "\nHello.\n",
    "\nHello \t  there \n-- \n\t\n\n\n",
    "\n",
    "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
    "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    "\u00fc\n..\n.\n--b\nContent-Type: text/html\n\n<p>x\n--b--\n",
]


def sign(folder):
    ways = itertools.product(KEYS, [b"simple", b"relaxed"], [b"simple", b"relaxed"], BODIES)
    for n, (key, header, body, text) in enumerate(ways):
        cases = [("kept", names) for names in KEPT] + [("lost", names) for names in LOST]
        for m, (fate, names) in enumerate(cases):
            name = f"{fate}-{n}-{m}"
            message = (HEADER + text).replace("@NAME@", name).replace("\n", "\r\n").encode()
            algorithm, private, _ = KEYS[key]
            names = names and [name.encode() for name in names.split()]
            signature = dkim.sign(
                message, key, b"example.org", private, canonicalize=(header, body),
                signature_algorithm=algorithm, include_headers=names,
            )
            (folder / f"{name}.eml").write_bytes(signature + message)


def verify(folder):
    def record(name, timeout=5):
        return KEYS[name.split(b".")[0]][2]

    for file in sorted(folder.glob("*.eml")):
        message = file.read_bytes()
        name = message.split(b"Message-ID: <")[1].split(b"@")[0].decode()
        print(name, "valid" if dkim.verify(message, dnsfunc=record) else "invalid")


{"sign": sign, "verify": verify}[sys.argv[1]](pathlib.Path(sys.argv[2]))
