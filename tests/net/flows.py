# UDP flows that are counted:
#	flows.py recv ADDRESS PORT FILE		until all came: how many
#	flows.py send ADDRESS PORT FLOWS FILE	until FILE is gone: what was sent
# 50 packets a second of each flow; both print a number, that of the receiver
# is of packets that are different.  The sender leaves its number in
# FILE.sent, so that the receiver need not guess how long the last ones take on
# a busy machine; it gives up when nothing came for 5 s.
import os
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33	# more than rmem_max: it may not have a turn for a second
GIVE_UP = 5


def sent(stop):
    try:
        with open(stop + ".sent") as f:
            return int(f.read())
    except FileNotFoundError:
        return None


def lost(seen, total, flows):
    """Of each flow the runs that did not come, for who reads a failure."""
    runs = []
    for flow in range(flows):
        first = None
        for n in range(total // flows + 1):
            here = struct.pack("!II", flow, n) in seen
            if not here and n < total // flows and first is None:
                first = n
            elif first is not None and (here or n == total // flows):
                runs.append("%d: %d-%d" % (flow, first, n - 1))
                first = None
    return runs


def recv(addr, port, stop):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    s.bind((addr, port))
    s.settimeout(0.1)
    print("ready", file=sys.stderr, flush=True)
    seen, last = set(), time.monotonic()
    while True:
        try:
            seen.add(s.recv(64))
            last = time.monotonic()
        except socket.timeout:
            total = sent(stop)
            if total is not None and (
                    len(seen) >= total or time.monotonic() - last > GIVE_UP):
                break
    if len(seen) != total:
        flows = 1 + max(struct.unpack("!II", p)[0] for p in seen)
        print("lost", *lost(seen, total, flows), sep="\n", file=sys.stderr)
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
    with open(stop + ".new", "w") as f:
        f.write(str(n * flows))
    os.rename(stop + ".new", stop + ".sent")
    return n * flows


if sys.argv[1] == "recv":
    print(recv(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
else:
    print(send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
