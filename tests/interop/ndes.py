#!/usr/bin/env python3
"""ndes.py DIR PORT [-r FD]: a SCEP server that behaves as Microsoft's NDES.

A CA and two certificates of a registration authority: one only signs, the
other only decrypts.  Challenges of DIR/challenges are good once, and must be
PrintableStrings.  The template is picked by the key usage that was asked for;
what it gives has the only extended key usage iKEIntermediate and an extension
that names the template.  What DIR may have: caps (instead of the usual),
pending (the operator has not decided), dates ("START END" of certificates),
next.pem (the CA of tomorrow).
All cryptography is openssl's.
"""
import base64
import hashlib
import http.server
import os
import re
import subprocess
import sys
import urllib.parse

DIR, PORT = sys.argv[1], int(sys.argv[2])
PATH = '/certsrv/mscep/mscep.dll'
CAPS = 'AES\r\nPOSTPKIOperation\r\nRenewal\r\nSHA-512\r\nSHA-256\r\nSHA-1\r\nDES3\r\n'
SCEP = '2.16.840.1.113733.1.9.'
TEMPLATES = {'Digital Signature': 'SignatureTemplate',
             'Key Encipherment': 'EncryptionTemplate',
             'Digital Signature, Key Encipherment': 'GeneralPurposeTemplate'}
waiting = {}


class Refused(Exception):
    pass


def path(name):
    return os.path.join(DIR, name)


def exists(name):
    return os.path.exists(path(name))


def read(name):
    with open(path(name), 'rb') as f:
        return f.read()


def write(name, octets):
    with open(path(name), 'wb') as f:
        f.write(octets)


def note(*words):
    with open(path('log'), 'a') as f:
        print(*words, file=f)


def openssl(*args):
    r = subprocess.run(['openssl', *args], cwd=DIR, capture_output=True)
    if r.returncode != 0:
        raise Refused(r.stderr.decode(errors='replace'))
    return r.stdout


# ------------------------------------------------------------------- DER

def tlv(tag, *parts):
    body = b''.join(parts)
    n = len(body)
    if n < 128:
        size = bytes([n])
    else:
        octets = n.to_bytes((n.bit_length() + 7) // 8, 'big')
        size = bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + size + body


def items(body):
    """[(tag, content, whole)] of what is one after the other."""
    out, at = [], 0
    while at < len(body):
        tag, n, head = body[at], body[at + 1], 2
        if n & 0x80:
            head += n & 0x7f
            n = int.from_bytes(body[at + 2:at + head], 'big')
        out.append((tag, body[at + head:at + head + n],
                    body[at:at + head + n]))
        at += head + n
    return out


def oid(text):
    numbers = [int(n) for n in text.split('.')]
    out = bytes([numbers[0] * 40 + numbers[1]])
    for n in numbers[2:]:
        part = [n & 0x7f]
        while n > 127:
            n >>= 7
            part.insert(0, 0x80 | n & 0x7f)
        out += bytes(part)
    return tlv(6, out)


def attribute(name, value):
    return tlv(0x30, oid(name), tlv(0x31, value))


# ------------------------------------------------------------------- CMS

def attributes(message):
    """OID -> octets of the signed attributes."""
    signed = items(items(items(message)[0][1])[1][1])[0][1]
    info = items(items(signed)[-1][1])[0][1]
    attrs = [i for i in items(info) if i[0] == 0xa0][0][1]
    out = {}
    for _, attr, _ in items(attrs):
        name, values = items(attr)
        out[name[2]] = items(values[1])[0][1]
    return out


def identity(name):
    """IssuerAndSerialNumber of a certificate, and its DER."""
    der = openssl('x509', '-in', name, '-outform', 'DER')
    tbs = items(items(items(der)[0][1])[0][1])
    return tlv(0x30, tbs[3][2], tbs[1][2]), der


def signed_data(content, attrs, signer, key):
    data = '1.2.840.113549.1.7.1'
    sha256 = tlv(0x30, oid('2.16.840.1.101.3.4.2.1'), tlv(5))
    attrs = attrs + [
        attribute('1.2.840.113549.1.9.3', oid(data)),
        attribute('1.2.840.113549.1.9.4',
                  tlv(4, hashlib.sha256(content or b'').digest()))]
    body = b''.join(sorted(attrs))
    write('tbs', tlv(0x31, body))
    signature = openssl('dgst', '-sha256', '-sign', key, 'tbs')
    who, der = identity(signer)
    info = tlv(0x30, tlv(2, b'\1'), who, sha256, tlv(0xa0, body),
               tlv(0x30, oid('1.2.840.113549.1.1.1'), tlv(5)),
               tlv(4, signature))
    inner = tlv(0x30, oid(data),
                tlv(0xa0, tlv(4, content)) if content else b'')
    return tlv(0x30, oid('1.2.840.113549.1.7.2'), tlv(0xa0, tlv(
        0x30, tlv(2, b'\1'), tlv(0x31, sha256), inner, tlv(0xa0, der),
        tlv(0x31, info))))


def certrep(asked, status, content=None, fail=None):
    def number(n):
        return tlv(0x13, str(n).encode())

    def of(n):
        return asked[oid(SCEP + str(n))]
    attrs = [attribute(SCEP + '2', number(3)),
             attribute(SCEP + '3', number(status)),
             attribute(SCEP + '5', tlv(4, os.urandom(16))),
             attribute(SCEP + '6', tlv(4, of(5))),
             attribute(SCEP + '7', tlv(0x13, of(7)))]
    if fail is not None:
        attrs.append(attribute(SCEP + '4', number(fail)))
    return signed_data(content, attrs, 'ra-sign.pem', 'ra-sign.key')


# -------------------------------------------------------------- the service

def challenge_is_good():
    text = openssl('asn1parse', '-inform', 'DER', '-in', 'request').decode()
    found = re.search(r':challengePassword\n.*\n.*prim: (\w+) *:(.*)', text)
    if not found:
        note('no challenge')
        return False
    if found[1] != 'PRINTABLESTRING':
        note('challenge is a', found[1])
        return False
    left = read('challenges').decode().split()
    if found[2] not in left:
        note('event 29: the challenge is wrong or used')
        return False
    left.remove(found[2])
    write('challenges', '\n'.join(left).encode())
    return True


def is_renewal():
    try:
        openssl('verify', '-CAfile', 'ca.pem', 'signer')
        return True
    except Refused:
        return False


def template():
    text = openssl('req', '-inform', 'DER', '-in', 'request', '-noout',
                   '-text').decode()
    usage = re.search(r'Key Usage:.*\n *(.*)', text)
    names = re.search(r'Alternative Name:.*\n *(.*)', text)
    kind = TEMPLATES.get(usage[1] if usage else '', 'SignatureTemplate')
    note('template', kind)
    return usage[1] if usage else 'Digital Signature', names


def issue():
    usage, names = template()
    short = {'Digital Signature': 'digitalSignature',
             'Key Encipherment': 'keyEncipherment'}
    name = 'IPSECIntermediateOffline'.encode('utf-16-be')
    lines = ['keyUsage=critical,' + ','.join(
                 short[u] for u in usage.split(', ')),
             'extendedKeyUsage=1.3.6.1.5.5.8.2.2',
             'subjectKeyIdentifier=hash',
             'authorityKeyIdentifier=keyid',
             '1.3.6.1.4.1.311.20.2=DER:' + tlv(0x1e, name).hex()]
    if names:
        lines.append('subjectAltName=' + names[1])
    write('ext', '\n'.join(lines).encode())
    dates = read('dates').decode().split() if exists('dates') else None
    openssl('req', '-inform', 'DER', '-in', 'request', '-out', 'request.pem')
    openssl('ca', '-batch', '-config', 'ca.cnf', '-in', 'request.pem',
            '-out', 'new.pem', '-notext', '-extfile', 'ext',
            *(['-startdate', dates[0], '-enddate', dates[1]] if dates else
              ['-days', '365']))
    note('issued')
    openssl('crl2pkcs7', '-nocrl', '-certfile', 'new.pem', '-outform', 'DER',
            '-out', 'degenerate')
    cipher = '-des3' if exists('caps') and b'AES' not in read('caps') else \
        '-aes-128-cbc'
    return openssl('cms', '-encrypt', '-binary', '-outform', 'DER', cipher,
                   '-in', 'degenerate', 'signer')


def operation(message):
    write('message', message)
    asked = attributes(message)
    kind = int(asked[oid(SCEP + '2')])
    who = asked[oid(SCEP + '7')]
    try:
        openssl('cms', '-verify', '-binary', '-inform', 'DER', '-in',
                'message', '-noverify', '-signer', 'signer', '-out',
                'envelope')
        openssl('cms', '-decrypt', '-binary', '-inform', 'DER', '-in',
                'envelope', '-recip', 'ra-crypt.pem', '-inkey',
                'ra-crypt.key', '-out', 'request')
    except Refused as e:
        note('cannot decrypt PKCS7:', e)
        return certrep(asked, 2, fail=1)
    note('type', kind)
    if kind == 20 and who in waiting:
        if exists('pending'):
            return certrep(asked, 3)
        write('request', waiting.pop(who))
        return certrep(asked, 0, issue())
    if kind not in (17, 19):
        return certrep(asked, 2, fail=2)
    if not is_renewal() and not challenge_is_good():
        return certrep(asked, 2, fail=2)
    if exists('pending'):
        waiting[who] = read('request')
        return certrep(asked, 3)
    return certrep(asked, 0, issue())


class Handler(http.server.BaseHTTPRequestHandler):
    def say(self, status, kind, body):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, body):
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        what = asked.get('operation')
        if url.path != PATH:
            self.say(404, 'text/html', b'<html><b>Not found</b></html>')
        elif what == 'GetCACaps':
            self.say(200, 'text/plain', read('caps') if exists('caps') else
                     CAPS.encode())
        elif what == 'GetCACert':
            openssl('crl2pkcs7', '-nocrl', '-certfile', 'ra-sign.pem',
                    '-certfile', 'ra-crypt-shown.pem', '-certfile', 'ca.pem',
                    '-outform', 'DER', '-out', 'bundle')
            self.say(200, 'application/x-x509-ca-ra-cert', read('bundle'))
        elif what == 'GetNextCACert' and exists('next.pem'):
            openssl('crl2pkcs7', '-nocrl', '-certfile', 'next.pem',
                    '-outform', 'DER', '-out', 'bundle')
            self.say(200, 'application/x-x509-next-ca-cert', signed_data(
                read('bundle'), [], 'ra-sign.pem', 'ra-sign.key'))
        elif what == 'PKIOperation':
            if body is None:
                body = base64.b64decode(asked['message'])
                note('by GET')
            self.say(200, 'application/x-pki-message', operation(body))
        else:
            self.say(200, 'text/html', b'<html>Network Device Enrollment '
                     b'Service</html>')

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers['Content-Length'])))

    def log_message(self, *args):
        pass


def main():
    server = http.server.HTTPServer(('', PORT), Handler)
    if '-r' in sys.argv:
        fd = int(sys.argv[sys.argv.index('-r') + 1])
        os.write(fd, b'\n')
        os.close(fd)
    server.serve_forever()


main()
