"""A provider of DNS on loopback, as DuckDNS is one and as `challenge_url` means one: takes TXT records by HTTPS, and serves them.

usage: dns-provider.py DNS-PORT HTTPS-PORT KEY CERTIFICATE TOKEN-FILE LOG ADDRESSES [one]

Every name below those of ADDRESSES (a file, a line each) is at 127.0.0.1; no other has an address. With `one` it keeps, as
DuckDNS does, a single TXT record for all names. LOG gets a line for each request, and one for each process that shows the token in
its arguments or environment meanwhile.
"""
import http.server
import pathlib
import socket
import ssl
import struct
import sys
import threading
import urllib.parse

dns_port, https_port = int(sys.argv[1]), int(sys.argv[2])
key, certificate, token_file, log, addresses = sys.argv[3:8]
token = pathlib.Path(token_file).read_text()
single = sys.argv[8:] == ["one"]
records = {}


def processes_that_show(text):
    for place in pathlib.Path("/proc").glob("[0-9]*/*"):
        if place.name not in ("cmdline", "environ"):
            continue
        try:
            shown = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in shown:
            yield f"SHOWN {place.name}: {shown.replace(text, 'TOKEN')}"


class Provider(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = urllib.parse.urlparse(self.path)
        given = {name: values[0] for name, values in urllib.parse.parse_qs(asked.query).items()}
        good = given.pop("token", None) == token
        told = [asked.path, *(f"{name}={value}" for name, value in sorted(given.items())), "good" if good else "bad"]
        with open(log, "a") as file:
            file.writelines(f"{line}\n" for line in [" ".join(told), *processes_that_show(token)])
        if good and single:
            records.clear()
            if "clear" not in given:
                records["*"] = [given["txt"]]
        elif good:
            values = records.setdefault(given["name"].lower(), [])
            if asked.path.endswith("/clear"):
                values.remove(given["txt"])
            else:
                values.append(given["txt"])
        # A refusal that repeats the question.
        answer = b"OK" if good else f"KO {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def serve_https():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", https_port), Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def answer(question):
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    kind = struct.unpack(">H", question[at + 1 : at + 3])[0]
    name = ".".join(labels).lower()
    known = pathlib.Path(addresses).read_text().split()
    data = []
    if kind == 1 and name in known:
        data = [socket.inet_aton("127.0.0.1")]
    elif kind == 16:
        texts = records.get("*" if single else name, []) if name.startswith("_acme-challenge.") else []
        data = [bytes([len(text)]) + text.encode() for text in texts]
    status = 0x8580 if data or name in known or kind != 1 else 0x8583
    head = question[:2] + struct.pack(">HHHHH", status, 1, len(data), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(one)) + one for one in data)
    return head + question[12 : at + 5] + body


threading.Thread(target=serve_https, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", dns_port))
while True:
    packet, sender = udp.recvfrom(4096)
    udp.sendto(answer(packet), sender)
