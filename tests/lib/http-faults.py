#!/usr/bin/env python3
"""http-faults.py FILE: a server on 127.0.0.1 that does what its path says.

Its port goes to FILE when it listens.  Paths: /redirect, /elsewhere, /circle,
/garbage, /endless, /slow, /short, /page, /lies, /status/N, /text.
"""
import os
import socket
import sys
import threading
import time

OK = b'HTTP/1.1 200 OK\r\nConnection: close\r\n'


def endless(c):
    c.sendall(OK + b'\r\n')
    while True:
        c.sendall(b'x' * 65536)


def slow(c):
    for octet in OK + b'Content-Length: 5\r\n\r\nhello':
        c.sendall(bytes([octet]))
        time.sleep(0.2)


def answer(c, path):
    if path.startswith('/redirect'):
        c.sendall(b'HTTP/1.1 302 Found\r\nLocation: /text?' +
                  path.split('?')[1].encode() +
                  b'\r\nContent-Length: 0\r\n\r\n')
    elif path.startswith('/elsewhere'):
        c.sendall(b'HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/x\r\n'
                  b'Content-Length: 0\r\n\r\n')
    elif path.startswith('/circle'):
        c.sendall(b'HTTP/1.1 302 Found\r\nLocation: /circle\r\n'
                  b'Content-Length: 0\r\n\r\n')
    elif path.startswith('/garbage'):
        c.sendall(b'SSH-2.0-OpenSSH_9.2\r\n')
    elif path.startswith('/endless'):
        endless(c)
    elif path.startswith('/slow'):
        slow(c)
    elif path.startswith('/short'):
        c.sendall(OK + b'Content-Length: 500\r\n\r\nonly this')
    elif path.startswith('/page'):
        c.sendall(OK + b'Content-Type: text/html\r\n\r\n<html>hello</html>')
    elif path.startswith('/lies'):
        c.sendall(OK + b'Content-Length: 1\r\nContent-Length: 2\r\n\r\nab')
    elif path.startswith('/status/'):
        number = path.split('/')[2].split('?')[0]
        c.sendall(b'HTTP/1.1 ' + number.encode() + b' X\r\n\r\n')
    else:
        c.sendall(OK + b'Content-Type: application/x\r\n\r\nnot a certificate')


def serve(c):
    try:
        head = b''
        while b'\r\n\r\n' not in head:
            more = c.recv(4096)
            if not more:
                return
            head += more
        answer(c, head.split()[1].decode())
    except OSError:
        pass
    finally:
        c.close()


def main():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen(16)
    with open(sys.argv[1] + '.new', 'w') as f:
        print(s.getsockname()[1], file=f)
    os.rename(sys.argv[1] + '.new', sys.argv[1])
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],),
                         daemon=True).start()


main()
