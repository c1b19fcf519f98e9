# UDP flows that are counted:
#	flows.py recv ADDRESS PORT FILE		until FILE is gone: what came
#	flows.py send ADDRESS PORT FLOWS FILE	until FILE is gone: what was sent
# 50 packets a second of each flow; both print a number, that of the receiver
# is of packets that are different.
import os
import socket
import struct
import sys
import time


def recv(addr, port, stop):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((addr, port))
    s.settimeout(0.2)
    print("ready", file=sys.stderr, flush=True)
    seen = set()
    while True:
        try:
            seen.add(s.recv(64))
        except socket.timeout:
            if not os.path.exists(stop):
                return len(seen)


def send(addr, port, flows, stop):
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
             for _ in range(flows)]
    n, begin = 0, time.monotonic()
    while os.path.exists(stop):
        for i, s in enumerate(socks):
            s.sendto(struct.pack("!II", i, n), (addr, port))
        n += 1
        time.sleep(max(0, begin + n / 50 - time.monotonic()))
    return n * flows


if sys.argv[1] == "recv":
    print(recv(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
else:
    print(send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
