"""A chat client with the standard library alone: RFC 6120 over STARTTLS with SASL PLAIN, RFC 6121, XEP-0199, XEP-0313.

usage: chat-writer.py write ADDRESS PORT DOMAIN USER PASSWORDFILE TO INTERVAL
       chat-writer.py read ADDRESS PORT DOMAIN USER PASSWORDFILE
       chat-writer.py ask ADDRESS PORT DOMAIN USER PASSWORDFILE KIND QUERY [TO]
`write` sends numbered messages until it is ended, through as many logins as it takes, and prints `MILLISECONDS NUMBER`
for each that the server took: it answers a ping that was sent behind the message, and it handles a stream in order.
`read` prints the bodies of the user's archive. `ask` prints all that comes up to the answer to one query (an iq of kind get or set).
"""
import base64
import re
import socket
import ssl
import sys
import time

TIMEOUT = 5


class Ended(Exception):
    pass


class Stream:
    def __init__(self, address, port, domain, user, password):
        self.domain, self.text, self.count = domain, "", 0
        self.socket = socket.create_connection((address, port), TIMEOUT)
        try:
            self.open()
            self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self.until(r"<proceed[^>]*>")
            context = ssl.create_default_context()
            # The server's certificate is its own; this client asks whether messages stay, not who vouches for it.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname=domain)
            self.open()
            secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
            self.until(r"<success[^>]*>")
            self.open()
            self.ask("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "set")
        except BaseException:
            self.socket.close()
            raise

    def open(self):
        self.text = ""
        self.send(f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
        self.until(r"</stream:features>")

    def send(self, text):
        self.socket.sendall(text.encode())

    def until(self, pattern):
        """Takes what comes up to the pattern."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                taken, self.text = self.text[: found.end()], self.text[found.end() :]
                return taken
            if time.monotonic() > deadline or re.search(r"<failure|<stream:error|</stream:stream", self.text):
                raise Ended(self.text)
            some = self.socket.recv(65536)
            if not some:
                raise Ended(self.text)
            self.text += some.decode(errors="replace")

    def ask(self, query, kind="get", to=""):
        self.count += 1
        name = f"q{self.count}"
        self.send(f"<iq type='{kind}' id='{name}'{to}>{query}</iq>")
        return self.until(rf"<iq(?=[^>]*\bid=['\"]{name}['\"])[^>]*type=['\"](?:result|error)['\"][^>]*?(?:/>|>.*?</iq>)")


def write(login, to, interval):
    number = 0
    stream = None
    while True:
        try:
            stream = stream or Stream(*login)
            number += 1
            stream.send(f"<message to='{to}' type='chat' id='m{number}'><body>number {number}</body></message>")
            stream.ask("<ping xmlns='urn:xmpp:ping'/>", to=f" to='{login[2]}'")
            print(f"{int(time.time() * 1000)} {number}", flush=True)
            time.sleep(interval)
        except (OSError, Ended) as error:
            print(f"# {error}", file=sys.stderr, flush=True)
            if stream:
                stream.socket.close()
            stream = None
            time.sleep(0.02)


def read(login):
    stream = Stream(*login)
    after = ""
    while True:
        page = stream.ask(f"<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>50</max>{after}</set></query>", "set")
        for body in re.findall(r"<body>(.*?)</body>", page):
            print(body)
        last = re.search(r"<last>(.*?)</last>", page)
        if not last or re.search(r"complete=['\"]true", page):
            return
        after = f"<after>{last.group(1)}</after>"


verb, address, port, domain, user, password_file, *rest = sys.argv[1:]
with open(password_file) as file:
    login = (address, int(port), domain, user, file.read())
if verb == "write":
    write(login, rest[0], float(rest[1]))
elif verb == "ask":
    print(Stream(*login).ask(rest[1], rest[0], to=f" to='{rest[2]}'" if rest[2:] else ""))
else:
    read(login)
