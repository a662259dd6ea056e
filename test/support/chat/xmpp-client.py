"""One or two people with slixmpp (a Debian package), a client that knows nothing of prose-ship.

usage: xmpp-client.py VERB <REQUEST
The request is JSON: {"server": [ADDRESS, PORT], "direct": false, "mechanism": null, "people": [{"jid", "password"}, ...], ...}
The last line that it prints is JSON. Certificates are checked against those that OpenSSL trusts (SSL_CERT_FILE).
"""
import asyncio
import hashlib
import io
import json
import logging
import sys
from xml.etree.ElementTree import Element, SubElement

from slixmpp import ClientXMPP
from slixmpp.exceptions import XMPPError

TIMEOUT = 30


class Person(ClientXMPP):
    def __init__(self, request, jid, password):
        super().__init__(jid, password, sasl_mech=request.get("mechanism"))
        for plugin in ("xep_0030", "xep_0045", "xep_0059", "xep_0313", "xep_0363"):
            self.register_plugin(plugin)
        self.register_plugin("xep_0065", {"auto_accept": True})
        self.use_aiodns = False  # /etc/hosts counts, no DNS server
        self.server_address, self.direct = tuple(request["server"]), bool(request.get("direct"))
        self.inside = asyncio.get_running_loop().create_future()
        self.tls = None
        for event in ("failed_all_auth", "ssl_invalid_chain", "connection_failed", "disconnected"):
            self.add_event_handler(event, lambda _, event=event: self.settle(RuntimeError(event)))
        self.add_event_handler("session_start", lambda _: self.settle(None))

    def settle(self, error):
        if self.inside.done():
            return
        if error:
            self.inside.set_exception(error)
        else:
            self.tls = self.transport.get_extra_info("ssl_object").version()
            self.inside.set_result(None)

    async def log_in(self):
        self.connect(self.server_address, use_ssl=self.direct, force_starttls=not self.direct, disable_starttls=self.direct)
        await asyncio.wait_for(self.inside, TIMEOUT)
        self.send_presence()
        await self.get_roster(timeout=TIMEOUT)

    def heard(self, event, wanted):
        """A future of the first such event that is wanted."""
        future = asyncio.get_running_loop().create_future()
        self.add_event_handler(event, lambda what: future.done() or not wanted(what) or future.set_result(what))
        return asyncio.wait_for(future, TIMEOUT)

    async def archive(self, jid=None):
        return [one["mam_result"]["forwarded"]["stanza"]["body"] async for one in self["xep_0313"].iterate(jid=jid)]


async def login(request, anna, *_):
    return {"jid": str(anna.boundjid.bare), "tls": anna.tls, "mechanism": anna["feature_mechanisms"].mech.name}


async def message(request, anna, bert):
    """One writes to the other; both find it in their archives."""
    arrived = bert.heard("message", lambda one: one["body"] == request["text"])
    anna.send_message(bert.boundjid.bare, request["text"])
    got = await arrived
    return {"from": got["from"].bare, "body": got["body"], "archives": [await anna.archive(), await bert.archive()]}


async def archive(request, anna, *_):
    return {"bodies": await anna.archive(request.get("of"))}


async def room(request, anna, bert):
    """One makes a room, both come, one writes; the other hears it, and finds it in the room's archive."""
    where = request["room"]
    await anna["xep_0045"].join_muc_wait(where, "anna", timeout=TIMEOUT)
    # As it is (XEP-0045, section 10.1.2): until then it is locked.
    settings = Element("{http://jabber.org/protocol/muc#owner}query")
    SubElement(settings, "{jabber:x:data}x", type="submit")
    await anna.make_iq_set(settings, ito=where).send(timeout=TIMEOUT)
    await bert["xep_0045"].join_muc_wait(where, "bert", timeout=TIMEOUT)
    arrived = bert.heard("groupchat_message", lambda one: one["body"] == request["text"])
    anna.send_message(where, request["text"], mtype="groupchat")
    got = await arrived
    return {"from": str(got["from"]), "body": got["body"], "archive": await bert.archive(where)}


async def services(request, anna, *_):
    """XEP-0215: what helps calls through routers, with credentials."""
    ask = anna.make_iq_get(ito=anna.boundjid.domain)
    ask.append(Element("{urn:xmpp:extdisco:2}services"))
    answer = await ask.send(timeout=TIMEOUT)
    return {"services": [dict(one.attrib) for one in answer.xml.iter("{urn:xmpp:extdisco:2}service")]}


async def upload(request, anna, *_):
    """XEP-0363, the file being `size` times the letter a."""
    content = b"a" * request["size"]
    try:
        url = await anna["xep_0363"].upload_file(request["name"], len(content), "text/plain", input_file=io.BytesIO(content), timeout=TIMEOUT)
    except Exception as error:  # each of its errors is a class of its own
        return {"error": f"{type(error).__name__}: {error}"}
    return {"url": url, "sha256": hashlib.sha256(content).hexdigest()}


async def bytestream(request, anna, bert):
    """XEP-0065: bytes from one to the other through the server's proxy."""
    proxies = await anna["xep_0065"].discover_proxies(timeout=TIMEOUT)
    arrived = bert.heard("socks5_data", lambda _: True)
    stream = await anna["xep_0065"].handshake(str(bert.boundjid), timeout=TIMEOUT)
    await stream.write(request["text"].encode())
    return {"proxies": [[str(jid), host, int(port)] for jid, (host, port) in proxies.items()], "arrived": (await arrived).decode()}


async def main(verb):
    request = json.load(sys.stdin)
    people = [Person(request, **one) for one in request["people"]]
    try:
        for person in people:
            await person.log_in()
        result = await verb(request, *people)
    except (RuntimeError, XMPPError) as error:
        result = {"error": str(error)}
    for person in people:
        person.add_event_handler("disconnected", lambda _: None)
        await asyncio.wait([asyncio.ensure_future(person.disconnect(wait=2.0))], timeout=5) if person.transport else None
    print("\n" + json.dumps(result))


logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
verbs = {one.__name__: one for one in (login, message, archive, room, services, upload, bytestream)}
asyncio.run(main(verbs[sys.argv[1]]))
