"""Measures how fast GNU Mailman 3 hands a post to a mail server: in bulk with its default settings, and with a copy for
each recipient. The arguments are a directory, the port, and the numbers of recipients."""
import os, sys, time

var, port, bulk, personal = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cfg = os.path.join(var, "mailman.cfg")
os.makedirs(var, exist_ok=True)
with open(cfg, "w") as out:
    out.write(f"[mailman]\nlayout: here\n[paths.here]\nvar_dir: {var}\n[mta]\nincoming: mailman.mta.null.NullMTA\nsmtp_host: 127.0.0.1\nsmtp_port: {port}\n")
from mailman.core.initialize import initialize
initialize(cfg)
from mailman.config import config
from mailman.app.lifecycle import create_list
from mailman.database.transaction import transaction
from mailman.interfaces.domain import IDomainManager
from mailman.interfaces.usermanager import IUserManager
from mailman.mta.bulk import BulkDelivery
from mailman.mta.deliver import Deliver
from mailman.testing.helpers import specialized_message_from_string
from zope.component import getUtility
with transaction():
    if getUtility(IDomainManager).get("example.com") is None:
        getUtility(IDomainManager).add("example.com")
    mlist = create_list("a@example.com")
    for n in range(personal):
        address = getUtility(IUserManager).create_address(f"m{n}@example.org")
        mlist.subscribe(address)
message = specialized_message_from_string(
    "From: x@example.net\nTo: a@example.com\nMessage-ID: <1@x>\nSubject: s\n\n" + ("0123456789abcdef" * 4 + "\n") * 62)
for name, delivery, count in [("bulk", BulkDelivery(int(config.mta.max_recipients)), bulk), ("personal", Deliver(), personal)]:
    recipients = {f"m{n}@example.org" for n in range(count)}
    began = time.monotonic()
    refused = delivery.deliver(mlist, message, dict(recipients=recipients, original_sender="x@example.net"))
    took = time.monotonic() - began
    assert not refused, refused
    print(name, count / took, flush=True)
