#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * Every octet is compared: TCP streams and UDP datagrams of random sizes,
 * filled with a pattern, both ways at once.
 *
 *	soak serve ADDRESS		until the client's streams end
 *	soak run ADDRESS SECONDS	prints what went and came; 1: some octet
 *					was wrong, a stream broke, or too many
 *					datagrams were lost
 *
 * ADDRESS is IPv4 or IPv6.  Datagrams may be lost, never doubled or changed.
 */
#define STREAMS		3
#define PORT		7300
#define CHUNK		65536
#define GRAM_MAX	6000	/* octets: more than one fragment */
#define GRAM_HEAD	16
#define SEEN		(1 << 20)

static atomic_bool over, failed;
static atomic_ullong octets_out, octets_in, grams_out, grams_in;

static void
fail(const char *what, uint64_t a, uint64_t b)
{
	if (!atomic_exchange(&failed, true))
		fprintf(stderr, "soak: %s (%llu, %llu)\n", what,
		    (unsigned long long)a, (unsigned long long)b);
	atomic_store(&over, true);
}

/* splitmix64: octets at.. of a stream, at is a multiple of 8. */
static uint64_t
word(uint64_t stream, uint64_t at)
{
	uint64_t z = (stream << 48 ^ at) + 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint8_t
octet(uint64_t stream, uint64_t at)
{
	return (uint8_t)(word(stream, at & ~7ULL) >> (at & 7) * 8);
}

static void
fill(uint8_t *p, size_t n, uint64_t stream, uint64_t at)
{
	uint64_t w = 0;
	size_t i;

	for (i = 0; i < n; i++, at++) {
		if (i == 0 || (at & 7) == 0)
			w = word(stream, at & ~7ULL);
		p[i] = (uint8_t)(w >> (at & 7) * 8);
	}
}

/* The first octet that is wrong, or n. */
static size_t
wrong(const uint8_t *p, size_t n, uint64_t stream, uint64_t at)
{
	static _Thread_local uint8_t want[CHUNK];
	size_t i;

	fill(want, n, stream, at);
	if (memcmp(p, want, n) == 0)
		return n;
	for (i = 0; i < n && p[i] == octet(stream, at + i); i++)
		continue;
	return i;
}

static uint32_t
dice(uint64_t *s, uint32_t n)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 32) % n;
}

/* ------------------------------------------------------------------- TCP */

struct stream {
	int		fd;
	uint64_t	out, in;	/* ids of its two halves */
	pthread_t	writer, reader;
};

static void *
writer(void *arg)
{
	struct stream *s = arg;
	uint64_t at = 0, seed = s->out * 77 + 1, n;
	static _Thread_local uint8_t b[CHUNK];
	ssize_t sent;

	while (!atomic_load(&over)) {
		/* Small and large writes, and at times a pause. */
		n = 1 + dice(&seed, dice(&seed, 4) == 0 ? 200 : CHUNK);
		fill(b, n, s->out, at);
		sent = send(s->fd, b, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			fail("a stream broke (errno)", (uint64_t)errno, at);
			break;
		}
		at += (uint64_t)sent;
		octets_out += (unsigned long long)sent;
		if (dice(&seed, 64) == 0)
			(void)poll(NULL, 0, (int)dice(&seed, 20));
	}
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void *
reader(void *arg)
{
	struct stream *s = arg;
	static _Thread_local uint8_t b[CHUNK];
	uint64_t at = 0;
	ssize_t n;
	size_t bad;

	for (;;) {
		n = recv(s->fd, b, sizeof(b), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		bad = wrong(b, (size_t)n, s->in, at);
		if (bad < (size_t)n) {
			fail("a stream has a wrong octet (at, stream)",
			    at + bad, s->in);
			return NULL;
		}
		at += (uint64_t)n;
		octets_in += (unsigned long long)n;
	}
	if (n < 0)
		fail("a stream broke (errno)", (uint64_t)errno, at);
	/* The client ended: so does the other half. */
	atomic_store(&over, true);
	return NULL;
}

static void
stream_start(struct stream *s, int fd, unsigned i, bool client)
{
	s->fd = fd;
	s->out = 2 * i + client;
	s->in = 2 * i + !client;
	if (pthread_create(&s->writer, NULL, writer, s) != 0 ||
	    pthread_create(&s->reader, NULL, reader, s) != 0)
		exit(111);
}

static void
stream_end(struct stream *s)
{
	pthread_join(s->writer, NULL);
	pthread_join(s->reader, NULL);
	close(s->fd);
}

/* ------------------------------------------------------------------- UDP */

/* Number and size, then the pattern of a stream of its own. */
static void
gram_make(uint8_t *p, uint64_t n, uint64_t number, uint64_t stream)
{
	memcpy(p, &number, 8);
	memcpy(p + 8, &n, 8);
	fill(p + GRAM_HEAD, n - GRAM_HEAD, stream, number << 13);
}

/* Its number, or UINT64_MAX: it is damaged. */
static uint64_t
gram_check(const uint8_t *p, size_t n, uint64_t stream)
{
	uint64_t number, len;

	if (n < GRAM_HEAD)
		return UINT64_MAX;
	memcpy(&number, p, 8);
	memcpy(&len, p + 8, 8);
	if (len != n || wrong(p + GRAM_HEAD, n - GRAM_HEAD, stream,
	    number << 13) != n - GRAM_HEAD)
		return UINT64_MAX;
	return number;
}

static void *
grams_send(void *arg)
{
	int fd = *(int *)arg;
	uint64_t seed = 12345, number = 0, n;
	uint8_t p[GRAM_MAX];
	unsigned burst;

	while (!atomic_load(&over)) {
		for (burst = 1 + dice(&seed, 40); burst > 0; burst--) {
			n = GRAM_HEAD + dice(&seed, dice(&seed, 3) == 0 ?
			    GRAM_MAX - GRAM_HEAD : 1400);
			if (number % 200 > 100)
				n = 1200;	/* a run of one size */
			gram_make(p, n, number++, 100);
			(void)send(fd, p, n, 0);
			grams_out++;
		}
		(void)poll(NULL, 0, 10);
	}
	return NULL;
}

static void *
grams_receive(void *arg)
{
	static uint8_t seen[SEEN];
	struct pollfd w = { .fd = *(int *)arg, .events = POLLIN };
	uint64_t number;
	uint8_t p[GRAM_MAX + 1];
	ssize_t n;

	while (poll(&w, 1, 700) > 0 || !atomic_load(&over)) {
		n = recv(w.fd, p, sizeof(p), MSG_DONTWAIT);
		if (n < 0)
			continue;
		number = gram_check(p, (size_t)n, 100);
		if (number == UINT64_MAX)
			fail("a datagram is damaged (size)", (uint64_t)n, 0);
		else if (number < SEEN && seen[number]++ != 0)
			fail("a datagram came twice", number, 0);
		else
			grams_in++;
	}
	return NULL;
}

/* The server sends back what it could verify. */
static void *
grams_echo(void *arg)
{
	struct pollfd w = { .fd = *(int *)arg, .events = POLLIN };
	struct sockaddr_storage from;
	uint8_t p[GRAM_MAX + 1];
	socklen_t len;
	ssize_t n;

	while (!atomic_load(&over)) {
		len = sizeof(from);
		if (poll(&w, 1, 100) <= 0 || (n = recvfrom(w.fd, p,
		    sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from,
		    &len)) < 0)
			continue;
		if (gram_check(p, (size_t)n, 100) == UINT64_MAX)
			fail("a datagram is damaged (size)", (uint64_t)n, 0);
		(void)sendto(w.fd, p, (size_t)n, 0,
		    (struct sockaddr *)&from, len);
	}
	return NULL;
}

/* ------------------------------------------------------------------ ends */

static int
open_socket(const char *address, int type, bool bound,
    struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_in *four = (void *)to;
	struct sockaddr_in6 *six = (void *)to;
	int fd, one = 1;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		to->ss_family = AF_INET;
		*len = sizeof(*four);
	} else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		to->ss_family = AF_INET6;
		*len = sizeof(*six);
	} else {
		fprintf(stderr, "soak: no address: %s\n", address);
		exit(100);
	}
	four->sin_port = htons(PORT);	/* same place in both */
	fd = socket(to->ss_family, type, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || (bound ? bind(fd, (struct sockaddr *)to, *len) :
	    connect(fd, (struct sockaddr *)to, *len)) < 0) {
		fprintf(stderr, "soak: %s: %s\n", address, strerror(errno));
		exit(111);
	}
	return fd;
}

static void
serve(const char *address)
{
	struct sockaddr_storage to;
	struct stream s[STREAMS];
	pthread_t echo;
	socklen_t len;
	int tcp = open_socket(address, SOCK_STREAM, true, &to, &len);
	int udp = open_socket(address, SOCK_DGRAM, true, &to, &len);
	unsigned i;

	if (listen(tcp, STREAMS) < 0 ||
	    pthread_create(&echo, NULL, grams_echo, &udp) != 0)
		exit(111);
	for (i = 0; i < STREAMS; i++)
		stream_start(&s[i], accept(tcp, NULL, NULL), i, false);
	for (i = 0; i < STREAMS; i++)
		stream_end(&s[i]);
	pthread_join(echo, NULL);
}

static void
run(const char *address, int seconds)
{
	struct sockaddr_storage to;
	struct stream s[STREAMS];
	pthread_t out, in;
	socklen_t len;
	int udp = open_socket(address, SOCK_DGRAM, false, &to, &len);
	unsigned i;

	for (i = 0; i < STREAMS; i++)
		stream_start(&s[i], open_socket(address, SOCK_STREAM, false,
		    &to, &len), i, true);
	if (pthread_create(&out, NULL, grams_send, &udp) != 0 ||
	    pthread_create(&in, NULL, grams_receive, &udp) != 0)
		exit(111);
	for (; seconds > 0 && !atomic_load(&over); seconds--)
		(void)poll(NULL, 0, 1000);
	atomic_store(&over, true);
	for (i = 0; i < STREAMS; i++)
		stream_end(&s[i]);
	pthread_join(out, NULL);
	pthread_join(in, NULL);
	printf("TCP: %llu octets out, %llu in; UDP: %llu out, %llu in\n",
	    octets_out, octets_in, grams_out, grams_in);
	if (octets_in == 0 || grams_in < grams_out / 2)
		fail("too much is lost (UDP out, in)", grams_out, grams_in);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		serve(argv[2]);
	} else if (argc == 4 && strcmp(argv[1], "run") == 0) {
		run(argv[2], atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: soak serve ADDRESS, or run ADDRESS "
		    "SECONDS\n");
		return 100;
	}
	return atomic_load(&failed) ? 1 : 0;
}
