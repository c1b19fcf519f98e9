#!/usr/bin/env python3
"""A small multicast router for tests: mroute.py INTERFACE...

The kernel asks about every new (source, group); it is told to send copies
to all interfaces named, back into a tunnel (many peers, one interface) too.
"""
import socket
import struct
import sys

MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC = 200, 202, 204
VIFF_USE_IFINDEX = 8
NOCACHE = 1
MAXVIFS = 32


def main():
    names = sys.argv[1:]
    tunnels = [i for i, n in enumerate(names) if n.startswith("dmvpn")]
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    s.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
    for i, name in enumerate(names):
        vif = struct.pack("=HBBIiI", i, VIFF_USE_IFINDEX, 1, 0,
                          socket.if_nametoindex(name), 0)
        s.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, vif)
    print("ready", flush=True)
    while True:
        m = s.recv(2048)
        # struct igmpmsg lies over the IP header: im_msgtype, im_mbz, im_vif
        if len(m) < 20 or m[8] != NOCACHE or m[9] != 0:
            continue
        vif, source, group = m[10], m[12:16], m[16:20]
        ttls = bytearray(MAXVIFS)
        for i in range(len(names)):
            if i != vif or i in tunnels:
                ttls[i] = 1
        mfc = struct.pack("=4s4sH32sxxIIIi", source, group, vif, bytes(ttls),
                          0, 0, 0, 0)
        s.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, mfc)


main()
