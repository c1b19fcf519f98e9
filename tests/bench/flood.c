#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"
#include "crypto/esp.h"
#include "wire/esp.h"
#include "wire/gre.h"
#include "wire/ip.h"
#include "wire/ip_sum.h"

/*
 * What strangers may send to port 4500, at a rate: ESP of unknown SPIs, or
 * IKE_SA_INIT of unknown SPIs (ike500: without the marker); or ESP of
 * unknown SPIs right in IP.  Many source ports, no two packets alike.
 *
 *	flood esp|ike|ike500 ADDRESS PORT MS RATE		prints how many went
 *	flood raw ADDRESS PROTOCOL MS RATE
 *
 * And what a member may: 64 octets of UDP in GRE in ESP, good in every way,
 * from port 4500 as a peer without NAT; or IKE with the SPIs of an IKE SA
 * that is up, which does not decrypt.
 *
 *	flood member ADDRESS PORT MS RATE SPI FROM TO	AES-128-GCM, the key
 *							in hexadecimal on
 *							standard input
 *	flood known ADDRESS PORT MS RATE SPI-I SPI-R
 */
#define BATCH	64
#define SOURCES	8
#define SIZE	128
#define KEY	20
#define SMALL	64		/* octets of UDP payload */
#define INNER	(20 + 8 + SMALL)

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

/* The same behind no marker. */
static void
ike500(uint8_t *p)
{
	uint8_t marked[SIZE] = { 0 };
	uint32_t len = htonl(SIZE);

	ike(marked);
	memcpy(p, marked + 4, SIZE - 4);
	memcpy(p + 24, &len, 4);
}

static struct {
	uint64_t	spi_i, spi_r;
	uint32_t	id;
} up;

/* A request of an IKE SA that is up: INFORMATIONAL, octets at random. */
static void
known(uint8_t *p)
{
	uint64_t v[2] = { htobe64(up.spi_i), htobe64(up.spi_r) };
	uint32_t len = htonl(SIZE - 4), id = htonl(up.id++);

	memset(p, 0, 32);
	memcpy(p + 4, v, 16);
	p[20] = 46;		/* SK */
	p[21] = 0x20;
	p[22] = 37;		/* INFORMATIONAL */
	p[23] = 0x08;
	memcpy(p + 24, &id, 4);
	memcpy(p + 28, &len, 4);
	p[32] = (uint8_t)draw();
}

static struct {
	struct esp_key	*key;
	uint32_t	 spi;
	uint64_t	 number;
	uint8_t		 inner[4 + INNER];	/* behind GRE */
} member;

static void
member_packet(uint8_t *p)
{
	struct ip_view v = { .version = 4, .proto = IP_UDP, .src = 12,
	    .alen = 4 };
	struct esp_job job = { .p = p, .sequence = ++member.number };
	size_t n = sizeof(member.inner);
	uint8_t *udp = member.inner + 24;

	/* 64 flows in turn: nothing to put together. */
	store16(udp, (uint16_t)(20064 + member.number % 64));
	store16(udp + 6, 0);
	sum_done(udp + 6, sum_add(udp, 8 + SMALL,
	    sum_pseudo(member.inner + 4, &v, 8 + SMALL)));
	store32(p, member.spi);
	store32(p + 4, (uint32_t)member.number);
	memcpy(p + 16, member.inner, n);
	job.text = esp_text_len(n, 4);
	esp_pad(p + 16, n, job.text, IP_GRE);
	(void)esp_seal(member.key, 0, false, &job, 1);
}

/* Octets of such a datagram. */
static size_t
member_size(void)
{
	return 16 + esp_text_len(sizeof(member.inner), 4) + 16;
}

static void
member_inner(const char *from, const char *to)
{
	uint8_t *ip = member.inner + 4, *udp = ip + 20;

	store16(member.inner + 2, GRE_IPV4);
	ip[0] = 0x45;
	store16(ip + 2, INNER);
	store16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = IP_UDP;
	if (inet_pton(AF_INET, from, ip + 12) != 1 ||
	    inet_pton(AF_INET, to, ip + 16) != 1)
		exit(100);
	ip4_checksum(ip);
	store16(udp + 2, 20000);
	store16(udp + 4, 8 + SMALL);
}

static void
member_begin(char **argv)
{
	char line[128] = "";
	uint8_t key[KEY];
	struct wbuf w = wbuf_of(key, sizeof(key));
	uint64_t spi;
	struct err e;

	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(100);
	line[strcspn(line, "\n")] = '\0';
	if (num_parse(argv[0], 256, UINT32_MAX, &spi, &e) < 0 ||
	    text_unhex(line, &w, &e) < 0 ||
	    (member.key = esp_key_new(ESP_AES128_GCM, true, key, w.len, 1,
	    &e)) == NULL) {
		fprintf(stderr, "flood: %s\n", e.msg);
		exit(100);
	}
	member.spi = (uint32_t)spi;
	member_inner(argv[1], argv[2]);
}

static int
source(const struct sockaddr_in *to, uint16_t port, bool raw)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
	    .sin_port = htons(port) };
	int fd = socket(AF_INET, raw ? SOCK_RAW : SOCK_DGRAM,
	    raw ? ntohs(to->sin_port) : 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&from,
	    sizeof(from)) < 0 || connect(fd, (const struct sockaddr *)to,
	    sizeof(*to)) < 0) {
		fprintf(stderr, "flood: %s\n", strerror(errno));
		exit(111);
	}
	return fd;
}

struct kind {
	const char	*name;
	void		(*fill)(uint8_t *p);
	unsigned	 sources;
	uint16_t	 port;
	int		 args;
};
static const struct kind kinds[] = {
	{ "esp", esp, SOURCES, 0, 6 },
	{ "ike", ike, SOURCES, 0, 6 },
	{ "ike500", ike500, SOURCES, 0, 6 },
	{ "raw", esp, SOURCES, 0, 6 },
	{ "member", member_packet, 1, 4500, 9 },
	{ "known", known, 1, 4500, 8 },
};

static uint64_t
flood(const struct kind *k, const struct sockaddr_in *to, uint64_t ms,
    uint64_t rate)
{
	static uint8_t data[BATCH][256];
	static struct mmsghdr mm[BATCH];
	static struct iovec iov[BATCH];
	uint64_t start = now_ns(), end = start + ms * 1000000, sent = 0, t;
	const struct timespec nap = { 0, 50000 };
	int fd[SOURCES], n;
	unsigned i, turn = 0;

	for (i = 0; i < k->sources; i++)
		fd[i] = source(to, k->port, strcmp(k->name, "raw") == 0);
	for (i = 0; i < BATCH; i++) {
		iov[i].iov_base = data[i];
		iov[i].iov_len = k->fill == member_packet ? member_size() :
		    SIZE;
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
	while ((t = now_ns()) < end) {
		if (sent > (t - start) * rate / 1000000000) {
			nanosleep(&nap, NULL);
			continue;
		}
		for (i = 0; i < BATCH; i++)
			k->fill(data[i]);
		n = sendmmsg(fd[turn++ % k->sources], mm, BATCH, 0);
		sent += n > 0 ? (uint64_t)n : 0;
	}
	return sent;
}

static const struct kind *
kind_of(int argc, char **argv, struct sockaddr_in *to)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (argc == kinds[i].args &&
		    strcmp(argv[1], kinds[i].name) == 0 &&
		    inet_pton(AF_INET, argv[2], &to->sin_addr) == 1)
			return &kinds[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct kind *k = argc < 2 ? NULL : kind_of(argc, argv, &to);

	if (k == NULL) {
		fprintf(stderr, "usage: flood esp|ike|ike500 ADDRESS PORT MS RATE\n"
		    "       flood raw ADDRESS PROTOCOL MS RATE\n"
		    "       flood member ADDRESS PORT MS RATE SPI FROM TO\n"
		    "       flood known ADDRESS PORT MS RATE SPI-I SPI-R\n");
		return 100;
	}
	to.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (k->fill == member_packet)
		member_begin(argv + 6);
	if (k->fill == known) {
		up.spi_i = strtoull(argv[6], NULL, 16);
		up.spi_r = strtoull(argv[7], NULL, 16);
	}
	printf("%llu\n", (unsigned long long)flood(k, &to,
	    strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10)));
	return 0;
}
