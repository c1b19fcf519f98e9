#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/*
 * What strangers may send to port 4500, at a rate: ESP of unknown SPIs, or
 * IKE_SA_INIT of unknown SPIs.  Many source ports, no two packets alike.
 *
 *	flood esp|ike ADDRESS PORT MILLISECONDS RATE	prints how many went
 */
#define BATCH	64
#define SOURCES	8
#define SIZE	128

static uint64_t seed = 88172645463325252;

static uint64_t
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
esp(uint8_t *p)
{
	uint32_t spi = htonl((uint32_t)draw() | 256);

	memcpy(p, &spi, 4);
	p[7] = (uint8_t)draw();
}

/* RFC 7296, 3.1, behind the non-ESP marker. */
static void
ike(uint8_t *p)
{
	uint64_t spi = draw();
	uint32_t len = htonl(SIZE - 4);

	memset(p, 0, 32);
	memcpy(p + 4, &spi, 8);
	p[20] = 33;		/* SA */
	p[21] = 0x20;		/* 2.0 */
	p[22] = 34;		/* IKE_SA_INIT */
	p[23] = 0x08;
	memcpy(p + 28, &len, 4);
}

static int
source(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)to,
	    sizeof(*to)) < 0) {
		fprintf(stderr, "flood: %s\n", strerror(errno));
		exit(111);
	}
	return fd;
}

static uint64_t
flood(void (*fill)(uint8_t *), const struct sockaddr_in *to, uint64_t ms,
    uint64_t rate)
{
	static uint8_t data[BATCH][SIZE];
	static struct mmsghdr mm[BATCH];
	static struct iovec iov[BATCH];
	uint64_t start = now_ns(), end = start + ms * 1000000, sent = 0, t;
	const struct timespec nap = { 0, 50000 };
	int fd[SOURCES], n;
	unsigned i, k = 0;

	for (i = 0; i < SOURCES; i++)
		fd[i] = source(to);
	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = data[i];
		iov[i].iov_len = SIZE;
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	while ((t = now_ns()) < end) {
		if (sent > (t - start) * rate / 1000000000) {
			nanosleep(&nap, NULL);
			continue;
		}
		for (i = 0; i < BATCH; i++)
			fill(data[i]);
		n = sendmmsg(fd[k++ % SOURCES], mm, BATCH, 0);
		sent += n > 0 ? (uint64_t)n : 0;
	}
	return sent;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	bool is_esp;

	if (argc != 6 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 ||
	    (!(is_esp = strcmp(argv[1], "esp") == 0) &&
	    strcmp(argv[1], "ike") != 0)) {
		fprintf(stderr, "usage: flood esp|ike ADDRESS PORT MS "
		    "RATE\n");
		return 100;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	printf("%llu\n", (unsigned long long)flood(is_esp ? esp : ike, &to,
	    strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10)));
	return 0;
}
