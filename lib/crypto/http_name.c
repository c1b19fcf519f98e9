#include "crypto/http_name.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/time.h>
#include <time.h>

#define TRY_MS		2000	/* then the next server, and once more */
#define TRIES		3
#define EDNS_SIZE	1232	/* octets in one UDP datagram, RFC 9715 */

struct question {
	struct addr	*out;
	size_t		 n;
	int		 status;
	bool		 done;
};

int64_t
http_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
add(struct question *q, const struct ares_addrinfo_node *n)
{
	const struct sockaddr_in6 *six =
	    (const struct sockaddr_in6 *)(const void *)n->ai_addr;
	const struct sockaddr_in *four =
	    (const struct sockaddr_in *)(const void *)n->ai_addr;

	if (q->n == HTTP_ADDRESSES)
		return;
	if (n->ai_family == AF_INET)
		q->out[q->n++] = addr_of(&four->sin_addr, 4);
	else if (n->ai_family == AF_INET6)
		q->out[q->n++] = addr_of(&six->sin6_addr, 16);
}

static void
on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct question *q = arg;
	const struct ares_addrinfo_node *n;

	(void)timeouts;
	q->status = status;
	q->done = true;
	for (n = ai == NULL ? NULL : ai->nodes; n != NULL; n = n->ai_next)
		add(q, n);
	ares_freeaddrinfo(ai);
}

/* One turn: until a server says something, or c-ares wants to ask again. */
static void
turn(ares_channel ch, int64_t left)
{
	ares_socket_t fds[ARES_GETSOCK_MAXNUM];
	struct pollfd p[ARES_GETSOCK_MAXNUM];
	uint32_t bits = (uint32_t)ares_getsock(ch, fds, ARES_GETSOCK_MAXNUM);
	struct timeval most = { left / 1000, left % 1000 * 1000 }, tv;
	const struct timeval *wait = ares_timeout(ch, &most, &tv);
	nfds_t i, n = 0;

	for (i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		/* as its macros, which shift a signed 1 by 31 places */
		bool reads = bits >> i & 1;
		bool writes = bits >> (i + ARES_GETSOCK_MAXNUM) & 1;

		if (reads || writes)
			p[n++] = (struct pollfd){ .fd = fds[i], .events =
			    (short)((reads ? POLLIN : 0) |
			    (writes ? POLLOUT : 0)) };
	}
	if (poll(p, n, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000 +
	    1)) <= 0)
		ares_process_fd(ch, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	else
		for (i = 0; i < n; i++)
			if (p[i].revents != 0)
				ares_process_fd(ch, p[i].events & POLLIN ?
				    p[i].fd : ARES_SOCKET_BAD, p[i].events &
				    POLLOUT ? p[i].fd : ARES_SOCKET_BAD);
}

static int
ask(const char *host, int64_t until, struct question *q, struct err *e)
{
	struct ares_options o = { .timeout = TRY_MS, .tries = TRIES,
		.flags = ARES_FLAG_EDNS, .ednspsz = EDNS_SIZE };
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	int64_t left = until - http_now();
	ares_channel ch;
	int rc;

	if (left > 0 && left / 2 < TRY_MS)
		o.timeout = (int)(left / 2) + 1;
	rc = ares_init_options(&ch, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
	    ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ);
	if (rc != ARES_SUCCESS)
		return err_set(e, ENOMEM, "c-ares: %s", ares_strerror(rc));
	ares_getaddrinfo(ch, host, NULL, &hints, on_addresses, q);
	while (!q->done && (left = until - http_now()) > 0)
		turn(ch, left);
	rc = q->done ? 0 : err_set(e, ETIMEDOUT, "%s: no name server has "
	    "answered in time", host);
	ares_destroy(ch);	/* calls back, if it was not done */
	return rc;
}

int
http_name(const char *host, int64_t until, struct addr out[HTTP_ADDRESSES],
    struct err *e)
{
	struct question q = { .out = out };
	int rc;

	if (addr_parse(host, &out[0], NULL) == 0)
		return 1;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		return err_set(e, ENOMEM, "c-ares");
	rc = ask(host, until, &q, e);
	ares_library_cleanup();
	if (rc < 0)
		return -1;
	if (q.n > 0)
		return (int)q.n;
	return err_set(e, q.status == ARES_ETIMEOUT ? ETIMEDOUT :
	    EHOSTUNREACH, "%s: %s", host, q.status == ARES_SUCCESS ?
	    "it has no address" : ares_strerror(q.status));
}
