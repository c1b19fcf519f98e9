#!/usr/bin/env python3
"""A name server for tests: dns.py ADDRESS FILE

Lines of FILE: "NAME A ADDRESS TTL", "NAME SRV PRIORITY WEIGHT PORT TARGET
TTL", "delay SECONDS".  Read anew for each question.
"""
import ipaddress
import socket
import struct
import sys
import time


def name_bytes(name):
    return b"".join(bytes([len(p)]) + p.encode()
                    for p in name.split(".")) + b"\0"


def question(m):
    parts, at = [], 12
    while m[at]:
        parts.append(m[at + 1:at + 1 + m[at]].decode())
        at += 1 + m[at]
    return ".".join(parts).lower(), struct.unpack(">H", m[at + 1:at + 3])[0], \
        m[12:at + 5]


def answers(path, name, kind):
    out, known = [], False
    for line in open(path):
        w = line.split()
        if w[:1] == ["delay"]:
            time.sleep(float(w[1]))
        if not w or w[0] != name:
            continue
        known = True
        if w[1] == "A":
            a = ipaddress.ip_address(w[2])
            if kind == (1 if a.version == 4 else 28):
                out.append((kind, int(w[3]), a.packed))
        elif w[1] == "SRV" and kind == 33:
            out.append((33, int(w[6]), struct.pack(
                ">HHH", *map(int, w[2:5])) + name_bytes(w[5])))
    return out, known


def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((sys.argv[1], 53))
    print("ready", flush=True)
    while True:
        m, peer = s.recvfrom(4096)
        name, kind, raw = question(m)
        found, known = answers(sys.argv[2], name, kind)
        r = m[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1,
                                len(found), 0, 0) + raw
        for k, ttl, data in found:
            r += struct.pack(">HHHIH", 0xc00c, k, 1, ttl, len(data)) + data
        s.sendto(r, peer)


main()
