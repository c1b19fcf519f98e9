#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * Small datagrams: 64 octets of payload in so many flows, interleaved packet
 * by packet, at a rate; and the sink that counts them.
 *
 *	udp_load sink ADDRESS FLOWS MILLISECONDS	prints how many came
 *	udp_load send ADDRESS FLOWS MILLISECONDS RATE	prints how many went
 *
 * Large ones: 40 of 1,300 octets with UDP_SEGMENT to one address after
 * another; the sink is for all addresses.
 *
 *	udp_load bulk FIRST-ADDRESS ADDRESSES MILLISECONDS MBIT-A-SECOND
 *	udp_load bulk-sink MILLISECONDS			prints octets that came
 */
#define BATCH		64
#define SIZE		64
#define PORT		20000
#define FLOWS_MAX	64
#define PIECE		1300
#define PIECES		40
#define ADDRESSES_MAX	65536

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static uint8_t data[BATCH][SIZE];
static struct mmsghdr mm[BATCH];
static struct iovec iov[BATCH];

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct sockaddr_in
address(const char *text, unsigned flow)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)(PORT + flow)) };

	if (inet_pton(AF_INET, text, &sin.sin_addr) != 1) {
		fprintf(stderr, "udp_load: no address: %s\n", text);
		exit(100);
	}
	return sin;
}

static void
die(const char *what)
{
	fprintf(stderr, "udp_load: %s: %s\n", what, strerror(errno));
	exit(111);
}

static void
messages(void)
{
	unsigned i;

	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = data[i];
		iov[i].iov_len = SIZE;
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
}

static uint64_t
send_all(const char *to, unsigned flows, uint64_t ms, uint64_t rate)
{
	static struct sockaddr_in dst[BATCH];
	int fd = socket(AF_INET, SOCK_DGRAM, 0), n;
	uint64_t start = now_ns(), end = start + ms * 1000000, sent = 0, t;
	struct timespec nap = { 0, 50000 };
	unsigned i;

	if (fd < 0)
		die("socket");
	for (i = 0; i < BATCH; i++) {
		dst[i] = address(to, i % flows);
		mm[i].msg_hdr.msg_name = &dst[i];
		mm[i].msg_hdr.msg_namelen = sizeof(dst[i]);
	}
	while ((t = now_ns()) < end) {
		if (sent > (t - start) * rate / 1000000000) {
			nanosleep(&nap, NULL);
			continue;
		}
		n = sendmmsg(fd, mm, BATCH, 0);
		if (n > 0)
			sent += (uint64_t)n;
	}
	return sent;
}

static uint64_t
receive_all(const char *at, unsigned flows, uint64_t ms)
{
	struct pollfd pfd[FLOWS_MAX];
	uint64_t end = now_ns() + ms * 1000000, got = 0;
	int big = 4 << 20, n;
	unsigned i;

	for (i = 0; i < flows; i++) {
		struct sockaddr_in sin = address(at, i);

		pfd[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
		pfd[i].events = POLLIN;
		(void)setsockopt(pfd[i].fd, SOL_SOCKET, SO_RCVBUFFORCE, &big,
		    sizeof(big));
		if (pfd[i].fd < 0 ||
		    bind(pfd[i].fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
			die("bind");
	}
	while (now_ns() < end) {
		if (poll(pfd, flows, 20) <= 0)
			continue;
		for (i = 0; i < flows; i++)
			while (pfd[i].revents && (n = recvmmsg(pfd[i].fd, mm,
			    BATCH, MSG_DONTWAIT, NULL)) > 0)
				got += (uint64_t)n;
	}
	return got;
}

static uint64_t
send_bulk(const char *first, unsigned addresses, uint64_t ms, uint64_t mbit)
{
	static uint8_t piece[PIECE * PIECES];
	struct sockaddr_in to = address(first, 0);
	uint32_t base = ntohl(to.sin_addr.s_addr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = PIECE, room = 4 << 20;
	uint64_t start = now_ns(), end = start + ms * 1000000, sent = 0, t;
	struct timespec nap = { 0, 50000 };
	unsigned i = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size,
	    sizeof(size)) < 0)
		die("UDP_SEGMENT");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	while ((t = now_ns()) < end) {
		if (sent * 8 > (t - start) * mbit / 1000) {
			nanosleep(&nap, NULL);
			continue;
		}
		i = (i + 1) % addresses;
		to.sin_addr.s_addr = htonl(base + i);
		if (sendto(fd, piece, sizeof(piece), 0,
		    (struct sockaddr *)&to, sizeof(to)) > 0)
			sent += sizeof(piece);
	}
	return sent;
}

static uint64_t
sink_bulk(uint64_t ms)
{
	static uint8_t room[1 << 16];
	struct sockaddr_in sin = address("0.0.0.0", 0);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, big = 16 << 20;
	struct timeval wait = { 0, 20000 };
	uint64_t end = now_ns() + ms * 1000000, got = 0;
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("bind");
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	while (now_ns() < end)
		if ((n = recv(fd, room, sizeof(room), 0)) > 0)
			got += (uint64_t)n;
	return got;
}

static int
bulk(int argc, char **argv)
{
	unsigned long addresses = argc == 6 ? strtoul(argv[3], NULL, 10) : 1;
	uint64_t n;

	if (argc == 3 && strcmp(argv[1], "bulk-sink") == 0)
		n = sink_bulk(strtoull(argv[2], NULL, 10));
	else if (argc == 6 && addresses - 1 < ADDRESSES_MAX)
		n = send_bulk(argv[2], (unsigned)addresses,
		    strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	else
		return 100;
	printf("%llu\n", (unsigned long long)n);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned flows = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	uint64_t ms = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	uint64_t n;

	if (argc > 1 && strncmp(argv[1], "bulk", 4) == 0)
		return bulk(argc, argv);
	messages();
	if (argc == 5 && flows - 1 < FLOWS_MAX &&
	    strcmp(argv[1], "sink") == 0) {
		n = receive_all(argv[2], flows, ms);
	} else if (argc == 6 && flows - 1 < FLOWS_MAX &&
	    strcmp(argv[1], "send") == 0) {
		n = send_all(argv[2], flows, ms, strtoull(argv[5], NULL, 10));
	} else {
		fprintf(stderr, "usage: udp_load sink ADDRESS FLOWS MS, or "
		    "send ADDRESS FLOWS MS RATE\n");
		return 100;
	}
	printf("%llu\n", (unsigned long long)n);
	return 0;
}
