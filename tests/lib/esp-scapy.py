#!/usr/bin/python3
"""A second opinion on ESP packets: scapy's.

Each line of standard input is: open|seal ALG ESN SEQUENCE KEY HEX
KEY is KEYMAT (RFC 7296, 2.17).  open: HEX is an ESP packet, the answer is the
IP packet inside (tunnel mode).  seal: HEX is an IPv4 packet, the answer is
the ESP packet.  A line "bad" answers what does not verify.
"""
import sys
import warnings

warnings.simplefilter("ignore")
try:
    from scapy.layers.inet import IP
    from scapy.layers.ipsec import ESP, SecurityAssociation
except ImportError:
    sys.exit(77)

ALGS = {
    "aes128-gcm": ("AES-GCM", 20, None),
    "aes256-gcm": ("AES-GCM", 36, None),
    "chacha20-poly1305": ("CHACHA20-POLY1305", 36, None),
    "aes128-cbc-sha256": ("AES-CBC", 16, "SHA2-256-128"),
    "aes256-cbc-sha256": ("AES-CBC", 32, "SHA2-256-128"),
}


def association(alg, esn, key):
    crypt, n, auth = ALGS[alg]
    return SecurityAssociation(
        ESP, spi=0x11223344, crypt_algo=crypt, crypt_key=key[:n],
        auth_algo=auth, auth_key=key[n:] if auth else None,
        esn_en=esn == "1", tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"))


for line in sys.stdin:
    what, alg, esn, seq, key, data = line.split()
    seq, data = int(seq), bytes.fromhex(data)
    sa = association(alg, esn, bytes.fromhex(key))
    low, high = seq & 0xffffffff, seq >> 32
    try:
        if what == "open":
            p = IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / data
            out = bytes(sa.decrypt(IP(bytes(p)), esn_en=esn == "1", esn=high))
        else:
            p = sa.encrypt(IP(data), seq_num=low, esn_en=esn == "1", esn=high)
            out = bytes(p[ESP])
        print(out.hex(), flush=True)
    except Exception as e:      # whatever it is, it did not verify
        print("bad", type(e).__name__, file=sys.stderr)
        print("bad", flush=True)
