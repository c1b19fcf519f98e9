#include "serve_dns.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <utlist.h>

#include "base/text.h"
#include "dpd_service.h"
#include "sys/log.h"
#include "sys/priv.h"

#define FOUND_MAX	64
#define TARGETS_MAX	32
#define SOCKETS_MAX	16
#define TRY_MS		2000
#define TRIES		2
#define EDNS_SIZE	1232	/* octets in one UDP datagram, RFC 9715 */
#define TTL_UNKNOWN	30	/* seconds: from a hosts file */
#define QUESTIONS_MAX	128
#define SRV		33	/* RFC 2782 */
#define IN		1

struct question;
struct sock {
	struct question	*q;
	int		 fd;		/* -1: free */
	struct watch	 reads, writes;
};

struct question {
	struct question	*prev, *next;
	struct dns	*dns;
	ares_channel	 channel;
	bool		 open;		/* channel is */
	uint64_t	 ticket;
	struct sock	 socks[SOCKETS_MAX];
	struct timer	 tick;
	struct dpd_service targets[TARGETS_MAX];
	size_t		 n_targets, at;
	struct endpoint	 found[FOUND_MAX];
	size_t		 n;
	uint32_t	 ttl;
	int		 status;	/* of the last failure */
	bool		 done;
};

struct dns {
	struct loop	*loop;
	dns_done	*done;
	void		*arg;
	struct question	*all;
	size_t		 n;
};

static void tick(void *arg);
static void next_target(struct question *q);

struct dns *
dns_new(struct loop *l, dns_done *done, void *arg, struct err *e)
{
	struct dns *d = calloc(1, sizeof(*d));
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	if (d == NULL || rc != ARES_SUCCESS) {
		free(d);
		return err_null(err_set(e, ENOMEM, "c-ares: %s",
		    ares_strerror(rc)));
	}
	d->loop = l;
	d->done = done;
	d->arg = arg;
	return d;
}

static void
question_free(struct question *q)
{
	q->done = true;		/* callbacks of ares_destroy do nothing */
	if (q->open)
		ares_destroy(q->channel);
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		watch_stop(&q->socks[i].reads);
		watch_stop(&q->socks[i].writes);
	}
	timer_stop(&q->tick);
	DL_DELETE(q->dns->all, q);
	q->dns->n--;
	free(q);
}

void
dns_free(struct dns *d)
{
	struct question *q, *next;

	if (d == NULL)
		return;
	DL_FOREACH_SAFE(d->all, q, next)
		question_free(q);
	ares_library_cleanup();
	free(d);
}

/* Tell in the next turn: c-ares may be on the stack now. */
static void
finish(struct question *q)
{
	q->done = true;
	(void)timer_at(q->dns->loop, &q->tick, loop_now(q->dns->loop), tick, q,
	    NULL);
}

static void
answer(struct question *q)
{
	struct dns *d = q->dns;
	struct question a = { .ticket = q->ticket, .n = q->n, .ttl = q->ttl,
	    .status = q->status };

	memcpy(a.found, q->found, q->n * sizeof(q->found[0]));
	question_free(q);
	d->done(d->arg, a.ticket, a.found, a.n, a.ttl,
	    ares_strerror(a.status));
}

static void
rearm(struct question *q)
{
	struct timeval most = { .tv_sec = TRY_MS / 1000 }, tv;
	const struct timeval *p = ares_timeout(q->channel, &most, &tv);
	uint64_t ms = (uint64_t)p->tv_sec * 1000 +
	    (uint64_t)p->tv_usec / 1000 + 1;

	(void)timer_at(q->dns->loop, &q->tick, clock_ms() + ms, tick, q, NULL);
}

static void
tick(void *arg)
{
	struct question *q = arg;

	if (q->done) {
		answer(q);
		return;
	}
	ares_process_fd(q->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (!q->done)
		rearm(q);
}

static void
readable(void *arg)
{
	struct sock *s = arg;
	struct question *q = s->q;

	ares_process_fd(q->channel, s->fd, ARES_SOCKET_BAD);
	if (!q->done)
		rearm(q);
}

static void
writable(void *arg)
{
	struct sock *s = arg;
	struct question *q = s->q;

	ares_process_fd(q->channel, ARES_SOCKET_BAD, s->fd);
	if (!q->done)
		rearm(q);
}

static struct sock *
sock_of(struct question *q, int fd)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		if (q->socks[i].fd == fd)
			return &q->socks[i];
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		if (q->socks[i].fd < 0) {
			q->socks[i].fd = fd;
			return &q->socks[i];
		}
	return NULL;	/* the question times out */
}

/* c-ares tells what it waits for. */
static void
sock_state(void *arg, ares_socket_t fd, int reads, int writes)
{
	struct question *q = arg;
	struct sock *s = sock_of(q, fd);

	if (s == NULL)
		return;
	watch_stop(&s->reads);
	watch_stop(&s->writes);
	if (reads)
		(void)watch_read(q->dns->loop, &s->reads, fd, readable, s,
		    NULL);
	if (writes)
		(void)watch_write(q->dns->loop, &s->writes, fd, writable, s,
		    NULL);
	if (!reads && !writes)
		s->fd = -1;
}

static void
add_found(struct question *q, const struct ares_addrinfo_node *n)
{
	struct endpoint *p = &q->found[q->n];
	const struct sockaddr_in6 *six =
	    (const struct sockaddr_in6 *)(const void *)n->ai_addr;
	const struct sockaddr_in *four =
	    (const struct sockaddr_in *)(const void *)n->ai_addr;
	uint32_t ttl = n->ai_ttl > 0 ? (uint32_t)n->ai_ttl : TTL_UNKNOWN;

	if (q->n == FOUND_MAX)
		return;
	if (n->ai_family == AF_INET)
		p->addr = addr_of(&four->sin_addr, 4);
	else if (n->ai_family == AF_INET6)
		p->addr = addr_of(&six->sin6_addr, 16);
	else
		return;
	if (addr_is_unspecified(&p->addr) || addr_is_multicast(&p->addr))
		return;		/* nobody's, whatever the resolver says */
	p->port = q->targets[q->at].port;
	if (q->n == 0 || ttl < q->ttl)
		q->ttl = ttl;
	q->n++;
}

static void
got_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct question *q = arg;

	(void)timeouts;
	if (q->done) {
		ares_freeaddrinfo(ai);
		return;
	}
	if (status != ARES_SUCCESS)
		q->status = status;
	for (const struct ares_addrinfo_node *n = ai != NULL ? ai->nodes :
	    NULL; n != NULL; n = n->ai_next)
		add_found(q, n);
	ares_freeaddrinfo(ai);
	q->at++;
	next_target(q);
}

static void
next_target(struct question *q)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_DGRAM };

	if (q->at >= q->n_targets || q->n == FOUND_MAX) {
		finish(q);
		return;
	}
	ares_getaddrinfo(q->channel, q->targets[q->at].host, NULL, &hints,
	    got_addresses, q);
}

static uint32_t
dice(void *arg)
{
	uint32_t v = 0;

	(void)arg;
	(void)random_bytes(&v, sizeof(v), NULL);
	return v;
}

static void
add_target(struct question *q, const struct ares_srv_reply *s)
{
	struct dpd_service *t = &q->targets[q->n_targets];

	if (q->n_targets == TARGETS_MAX ||
	    text_copy(t->host, sizeof(t->host), s->host, NULL) < 0)
		return;
	t->port = s->port;
	t->priority = s->priority;
	t->weight = s->weight;
	q->n_targets++;
}

static void
got_services(void *arg, int status, int timeouts, unsigned char *buf, int len)
{
	struct question *q = arg;
	struct ares_srv_reply *all = NULL;

	(void)timeouts;
	if (q->done)
		return;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(buf, len, &all);
	q->status = status;
	q->n_targets = 0;
	for (const struct ares_srv_reply *s = all; s != NULL; s = s->next)
		add_target(q, s);
	ares_free_data(all);
	dpd_service_order(q->targets, q->n_targets, dice, NULL);
	next_target(q);
}

static int
question_open(struct question *q, struct err *e)
{
	struct ares_options o = { .timeout = TRY_MS, .tries = TRIES,
	    .flags = ARES_FLAG_EDNS, .ednspsz = EDNS_SIZE,
	    .sock_state_cb = sock_state, .sock_state_cb_data = q };
	int rc = ares_init_options(&q->channel, &o, ARES_OPT_TIMEOUTMS |
	    ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_FLAGS |
	    ARES_OPT_EDNSPSZ);

	if (rc != ARES_SUCCESS)
		return err_set(e, EIO, "c-ares: %s", ares_strerror(rc));
	q->open = true;
	return 0;
}

int
dns_ask(struct dns *d, uint64_t ticket, const char *host, uint16_t port,
    bool service, struct err *e)
{
	struct question *q;

	if (d->n >= QUESTIONS_MAX)
		return err_set(e, ENOBUFS, "%d names are being looked up",
		    QUESTIONS_MAX);
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return err_set(e, ENOMEM, "no memory for a name");
	q->dns = d;
	q->ticket = ticket;
	q->status = ARES_ENODATA;
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		q->socks[i] = (struct sock){ .q = q, .fd = -1 };
	DL_APPEND(d->all, q);
	d->n++;
	if (question_open(q, e) < 0 || text_copy(q->targets[0].host,
	    sizeof(q->targets[0].host), host, e) < 0) {
		question_free(q);
		return -1;
	}
	q->targets[0].port = port;
	q->n_targets = 1;
	if (service)
		ares_query(q->channel, host, IN, SRV, got_services, q);
	else
		next_target(q);
	if (!q->done)
		rearm(q);
	return 0;
}
