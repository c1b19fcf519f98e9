# Where octets stand in the memory of a process:
#	memory.py PID NAME=HEX...
# A line for each find: NAME and whether that page is locked and kept out of
# cores.  Exit status 3: this process may not look.
import re
import sys

pid = sys.argv[1]
wanted = [(n, bytes.fromhex(h)) for n, h in
          (a.split("=", 1) for a in sys.argv[2:])]
try:
    mem = open(f"/proc/{pid}/mem", "rb", 0)
    lines = open(f"/proc/{pid}/smaps").read().splitlines()
except PermissionError:
    sys.exit(3)
areas = []
for line in lines:
    m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
    if m:
        areas.append([int(m[1], 16), int(m[2], 16), m[3], []])
    elif line.startswith("VmFlags:"):
        areas[-1][3] = line.split()[1:]
for begin, end, mode, flags in areas:
    if "r" not in mode:
        continue
    try:
        mem.seek(begin)
        octets = mem.read(end - begin)
    except (OSError, ValueError, OverflowError):
        continue
    for name, what in wanted:
        for _ in range(octets.count(what)):
            safe = "lo" in flags and "dd" in flags
            print(name, "safe" if safe else f"bare {begin:x} {mode}")
