#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * What the kernel's interfaces cost alone: a relay between a TAP and a UDP
 * socket with the system calls of dmvpn-gre (vnet header, UDP_SEGMENT,
 * UDP_GRO, a thread a direction) and none of its work: no GRE, no ESP, no
 * lookup, no checksum, no replay window.  What a tunnel costs more than this
 * is its own; only better batching makes it cost less.
 *
 *	floor TAP OWN-ADDRESS FAR-ADDRESS
 *
 * A frame is carried with its vnet header behind struct mark, cut into
 * segments as ESP would be; one of more than a datagram goes on in the next.
 * Loss costs the frame.  For measuring only.
 */
#define PORT		20100
#define SEGMENT		1448
#define SEGMENTS	45		/* of a datagram: 65,507 octets */
#define FRAME_MAX	(10 + 14 + 65535)
#define BATCH		64
#define ROOM		(8 << 20)

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

struct mark {
	uint32_t	magic;
	uint32_t	length;		/* octets of the frame */
};

static const uint32_t magic = 0x9f3c71e5;
static int tap, udp;

static void
die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(111);
}

static void
tap_open(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned long full = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 |
	    TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6;

	if (strlen(name) >= sizeof(r.ifr_name)) {
		fprintf(stderr, "floor: name of the TAP too long: %s\n", name);
		exit(100);
	}
	memcpy(r.ifr_name, name, strlen(name));
	if ((tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK)) < 0 ||
	    ioctl(tap, TUNSETIFF, &r) < 0)
		die("TAP");
	if (ioctl(tap, TUNSETOFFLOAD, full) < 0 &&
	    ioctl(tap, TUNSETOFFLOAD, full & ~(unsigned long)(TUN_F_USO4 |
	    TUN_F_USO6)) < 0)
		die("offloads of the TAP");
}

static struct sockaddr_in
address(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, text, &sin.sin_addr) != 1) {
		fprintf(stderr, "floor: no address: %s\n", text);
		exit(100);
	}
	return sin;
}

static void
udp_open(const char *own, const char *far)
{
	struct sockaddr_in from = address(own), to = address(far);
	int one = 1, room = ROOM;

	if ((udp = socket(AF_INET, SOCK_DGRAM, 0)) < 0 ||
	    bind(udp, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(udp, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("UDP");
	if (setsockopt(udp, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) < 0)
		die("UDP_GRO");
	(void)setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	(void)setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

/* One datagram, or a train of them with segments of so many octets. */
static void
train(const void *data, size_t n, size_t segment)
{
	uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint16_t size = (uint16_t)segment;
	struct cmsghdr *c;

	if (n > segment) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
	}
	(void)sendmsg(udp, &m, 0);
}

/* Frames of one size wait for one another; a large one goes alone. */
static void
trains(const uint8_t *data, size_t n, size_t segment)
{
	size_t most = SEGMENTS * SEGMENT, part;

	if (segment > SEGMENT)
		segment = SEGMENT;
	for (; n > 0; data += part, n -= part) {
		part = n < most ? n : most;
		train(data, part, segment);
	}
}

/* What is read lies behind what waits already, so that it can join it. */
static void *
out(void *arg)
{
	static uint8_t buf[SEGMENTS * SEGMENT + sizeof(struct mark) +
	    FRAME_MAX];
	struct pollfd p = { .fd = tap, .events = POLLIN };
	struct mark mark = { .magic = magic };
	size_t waiting = 0, size = 0, count = 0, whole;
	ssize_t n;

	for (;;) {
		n = read(tap, buf + waiting + sizeof(mark), FRAME_MAX);
		whole = n > 0 ? (size_t)n + sizeof(mark) : 0;
		if (waiting > 0 && (whole != size || count == BATCH ||
		    waiting + whole > SEGMENTS * SEGMENT)) {
			trains(buf, waiting, size);
			memmove(buf, buf + waiting, whole);
			waiting = count = 0;
		}
		if (n <= 0) {
			(void)poll(&p, 1, -1);
			continue;
		}
		mark.length = (uint32_t)n;
		memcpy(buf + waiting, &mark, sizeof(mark));
		waiting += size = whole;
		count++;
	}
	return arg;
}

/* Writes what is whole of data; returns how much of it was taken. */
static size_t
frames(const uint8_t *data, size_t n, size_t *want)
{
	struct mark mark;
	size_t at = 0;

	*want = 0;
	while (n - at >= sizeof(mark)) {
		memcpy(&mark, data + at, sizeof(mark));
		if (mark.magic != magic || mark.length > FRAME_MAX)
			return n;	/* something was lost */
		if (n - at - sizeof(mark) < mark.length) {
			*want = sizeof(mark) + mark.length;
			break;
		}
		if (write(tap, data + at + sizeof(mark), mark.length) < 0 &&
		    errno == EBADFD)
			die("TAP");
		at += sizeof(mark) + mark.length;
	}
	return at;
}

static void
in(void)
{
	static uint8_t buf[2 * (FRAME_MAX + sizeof(struct mark))];
	size_t have = 0, want = 0, taken;
	uint32_t first;
	ssize_t n;

	for (;;) {
		n = recv(udp, buf + have, sizeof(buf) - have, 0);
		if (n < 0 && errno == ECONNREFUSED)
			continue;	/* the far end is not there yet */
		if (n < 0)
			die("recv");
		memcpy(&first, buf + have, sizeof(first));
		if (have > 0 && (size_t)n >= sizeof(first) && first == magic) {
			memmove(buf, buf + have, (size_t)n);
			have = want = 0;
		}
		have += (size_t)n;
		if (have < want)
			continue;
		taken = frames(buf, have, &want);
		have = want > 0 ? have - taken : 0;
		memmove(buf, buf + taken, have);
	}
}

int
main(int argc, char **argv)
{
	pthread_t t;

	if (argc != 4) {
		fprintf(stderr, "usage: floor TAP OWN-ADDRESS FAR-ADDRESS\n");
		return 100;
	}
	tap_open(argv[1]);
	udp_open(argv[2], argv[3]);
	if ((errno = pthread_create(&t, NULL, out, NULL)) != 0)
		die("thread");
	in();
	return 0;
}
