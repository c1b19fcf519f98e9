#!/usr/bin/env python3
"""Makes the captures of this folder but own.pcap: one small IKE_SA_INIT in every wrapping
that dmvpn-decode knows.  They are kept in the repository; run this only to
change them."""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))


def checksum(b):
    if len(b) % 2:
        b += b"\0"
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ike(payloads, first):
    spi = bytes.fromhex("0102030405060708") + bytes(8)
    head = struct.pack("!BBBBII", first, 0x20, 34, 0x08, 0,
                       28 + len(payloads))
    return spi + head + payloads


def payload(following, body):
    return struct.pack("!BBH", following, 0, 4 + len(body)) + body


def udp(data, port=500):
    marker = bytes(4) if port == 4500 else b""
    return struct.pack("!HHHH", port, port, 8 + len(marker) + len(data),
                       0) + marker + data


def ip4(data, proto=17, frag=0, ident=7):
    h = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, frag, 64,
                    proto, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + data


def ip6(data, proto=17):
    a = bytes.fromhex("20010db8000000000000000000000001")
    b = bytes.fromhex("20010db8000000000000000000000002")
    return struct.pack("!IHBB", 6 << 28, len(data), proto, 64) + a + b + data


def ether(data, kind=0x0800):
    return bytes(range(12)) + struct.pack("!H", kind) + data


def capture(name, link, frames):
    with open(os.path.join(HERE, name + ".pcap"), "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link))
        for i, b in enumerate(frames):
            f.write(struct.pack("<IIII", 1700000000, i, len(b), len(b)) + b)


nonce = payload(0, bytes(range(32)))
one = ike(nonce, 40)
plain = ip4(udp(one))
capture("ethernet", 1, [ether(plain)])
capture("vlan", 1, [ether(struct.pack("!HH", 5, 0x8100) +
                          struct.pack("!HH", 6, 0x0800) + plain, 0x88A8)])
capture("raw", 101, [plain])
capture("sll", 113, [bytes(14) + struct.pack("!H", 0x0800) + plain])
capture("sll2", 276, [struct.pack("!H", 0x0800) + bytes(18) + plain])
capture("null", 0, [struct.pack("<I", 2) + plain])
capture("ipv6", 101, [ip6(udp(one, 4500))])
long = udp(ike(payload(43, bytes(range(32))) +
               payload(0, b"padding " * 40), 40))
capture("fragments", 101, [ip4(long[200:], frag=25),
                           ip4(long[:200], frag=0x2000)])
capture("damaged", 101, [
    ip4(udp(one[:20])),                                  # no header
    ip4(udp(one[:24] + b"\xff\xff\xff\xff" + one[28:])),  # length lies
    ip4(udp(ike(struct.pack("!BBH", 0, 0, 900) + bytes(8), 40))),
])
capture("escape", 101, [ip4(udp(ike(payload(0, bytes([2, 0, 0, 0]) +
                                            b"a\x1b[31mred"), 35)))])
