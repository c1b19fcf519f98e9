#include "cmd_probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd.h"
#include "sys/command.h"
#include "sys/loop.h"
#include "sys/priv.h"

#define FIRST_WAIT	500	/* ms, doubling */
#define ROUNDS_MAX	6	/* cookie, group, and then the answer */

/* What one asks with when the user names nothing: all that we can do. */
static const char *const asked[] = {
	"aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-"
	    "prfsha512-x25519-ecp384-ecp256-modp2048",
	"aes256-aes128-sha256-sha384-sha512-x25519-ecp384-ecp256-modp2048",
};

/* ---- where ---- */

static struct endpoint
endpoint_of(const struct sockaddr_storage *ss)
{
	struct endpoint p = { .port = 0 };
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	if (ss->ss_family == AF_INET6) {
		memcpy(&in6, ss, sizeof(in6));
		p.addr = addr_of(&in6.sin6_addr, 16);
		p.port = ntohs(in6.sin6_port);
	} else {
		memcpy(&in4, ss, sizeof(in4));
		p.addr = addr_of(&in4.sin_addr, 4);
		p.port = ntohs(in4.sin_port);
	}
	return p;
}

static int
socket_to(const struct addrinfo *ai, struct probe *p, struct err *e)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "UDP socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    getsockname(fd, (struct sockaddr *)&ss, &len) == 0) {
		p->local = endpoint_of(&ss);
		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		p->remote = endpoint_of(&ss);
		return fd;
	}
	err_sys(e, "reaching %s", ai->ai_canonname != NULL ?
	    ai->ai_canonname : "the host");
	close(fd);
	return -1;
}

static int
open_socket(const char *host, uint16_t port, struct probe *p, struct err *e)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
	    .ai_flags = AI_CANONNAME };
	struct addrinfo *all;
	char service[8];
	int fd, rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &all);
	if (rc != 0)
		return err_set(e, 0, "%s: %s", host, gai_strerror(rc));
	fd = socket_to(all, p, e);
	freeaddrinfo(all);
	return fd;
}

/* ---- asking ---- */

/* Until an answer to our SPI or the limit: 1, 0, -1. */
static int
listen_for(int fd, struct probe *p, struct ike_answer *a, uint64_t limit,
    enum probe_next *next, struct err *e)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t room[16384];
	uint64_t now;
	ssize_t n;

	while ((now = clock_ms()) < limit) {
		if (poll(&pfd, 1, (int)(limit - now)) <= 0)
			continue;
		n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
		if (n < 0 && errno == ECONNREFUSED)
			return err_set(e, errno, "nothing listens there");
		if (n <= 0)
			continue;
		*next = probe_read(p, rbuf_of(room, (size_t)n), a);
		if (*next != PROBE_OTHER)
			return 1;
	}
	return 0;
}

/* One message and its repetitions. */
static int
round_trip(int fd, struct probe *p, struct ike_answer *a, uint64_t seconds,
    enum probe_next *next, struct err *e)
{
	uint64_t begin = clock_ms(), end = begin + seconds * 1000, limit;
	uint64_t wait = FIRST_WAIT;
	uint8_t room[PROBE_MAX];
	struct wbuf w = wbuf_of(room, sizeof(room));
	int rc = 0;

	if (probe_build(p, &w, e) < 0)
		return -1;
	for (; rc == 0 && clock_ms() < end; wait *= 2) {
		if (send(fd, room, w.len, MSG_NOSIGNAL) < 0 &&
		    errno != ECONNREFUSED)
			return err_sys(e, "send");
		limit = clock_ms() + wait;
		rc = listen_for(fd, p, a, limit < end ? limit : end, next, e);
	}
	a->rtt = clock_ms() - begin;
	return rc;
}

static int
ask(int fd, struct probe *p, struct ike_answer *a, uint64_t seconds,
    struct err *e)
{
	enum probe_next next = PROBE_AGAIN;
	int i, rc = 1;

	a->local = p->local;
	a->remote = p->remote;
	for (i = 0; rc > 0 && next == PROBE_AGAIN && i < ROUNDS_MAX; i++)
		rc = round_trip(fd, p, a, seconds, &next, e);
	if (rc == 0)
		return err_set(e, ETIMEDOUT, "no answer in %u seconds",
		    (unsigned)seconds);
	return rc < 0 ? -1 : 0;
}

/* ---- telling ---- */

static void
print_list(const char *what, const char *first, size_t size, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		printf("%s%s", i == 0 ? what : ", ", first + i * size);
	if (n > 0)
		printf("\n");
}

static void
print_text(const struct ike_answer *a)
{
	struct addr_buf b;

	printf("%s: %s", endpoint_text(&a->remote, &b), a->answer);
	if (a->proposal[0] != '\0')
		printf(" %s", a->proposal);
	printf(", %u ms\n", (unsigned)a->rtt);
	if (a->cookie)
		printf("    it asks for a cookie\n");
	if (a->group[0] != '\0')
		printf("    it asks for group %s\n", a->group);
	print_list("    notifies ", a->notifies[0], sizeof(a->notifies[0]),
	    a->n_notifies);
	print_list("    vendors ", a->vendors[0], sizeof(a->vendors[0]),
	    a->n_vendors);
	if (a->certreqs > 0)
		printf("    wants a certificate of one of %u CAs\n",
		    a->certreqs);
	if (strcmp(a->answer, "accepted") == 0)
		printf("    NAT: %s%s\n", a->nat_local ? a->nat_remote ?
		    "here and there" : "here" : a->nat_remote ? "there" :
		    "none", a->nat_remote ? ", or it wants UDP encapsulation "
		    "in any case" : "");
}

static int
proposals_of(struct probe *p, const struct opt_list *given, struct err *e)
{
	size_t n = given->n > 0 ? given->n : sizeof(asked) / sizeof(asked[0]);
	const struct ike_transform *ke;
	size_t i;

	if (n > PROBE_PROPOSALS_MAX)
		return err_set(e, 0, "at most %d proposals",
		    PROBE_PROPOSALS_MAX);
	for (i = 0; i < n; i++)
		if (ike_proposal_parse(given->n > 0 ? given->v[i] : asked[i],
		    IKE_PROTO_IKE, &p->proposals[i], e) < 0)
			return -1;
	p->n_proposals = n;
	ke = ike_proposal_first(&p->proposals[0], IKE_T_KE);
	if (ke == NULL || !dh_known(ke->id))
		return err_set(e, 0, "the first proposal names no group that "
		    "is known here");
	p->group = ke->id;
	return 0;
}

static int
run(const char *host, uint16_t port, uint64_t seconds, struct probe *p,
    struct ike_answer *a, struct err *e)
{
	int fd, rc;

	if (random_bytes(&p->spi, sizeof(p->spi), e) < 0 ||
	    random_bytes(p->nonce, sizeof(p->nonce), e) < 0 ||
	    random_bytes(p->seed, sizeof(p->seed), e) < 0)
		return -1;
	fd = open_socket(host, port, p, e);
	if (fd < 0)
		return -1;
	rc = ask(fd, p, a, seconds, e);
	close(fd);
	return rc;
}

int
cmd_probe(int argc, char **argv)
{
	static struct ike_answer a;
	static struct probe p;
	struct opt_list proposals = { .n = 0 };
	uint64_t port = 500, seconds = 4;
	bool json = false, cbor = false;
	const struct opt opts[] = {
		{ 'j', "json", NULL, "as a JSON object", OPT_FLAG, &json, 0,
		  0 },
		{ 0, "cbor", NULL, "as CBOR", OPT_FLAG, &cbor, 0, 0 },
		{ 'p', "port", "PORT", "500", OPT_NUM, &port, 1, 65535 },
		{ 0, "proposal", "P", "offer this, as "
		  "aes256-sha256-modp2048; repeatable", OPT_LIST, &proposals,
		  0, 0 },
		{ 't', "time", "TIME", "wait so long for each answer, 4s",
		  OPT_TIME, &seconds, 1, 60 },
		OPT_END
	};
	struct err e;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j] [--port PORT] "
	    "[--proposal P]... HOST", 1, 1, &status) < 0)
		return status;
	if (proposals_of(&p, &proposals, &e) < 0)
		return command_usage("--proposal: %s", e.msg);
	if (run(argv[0], (uint16_t)port, seconds, &p, &a, &e) < 0) {
		err_in(&e, "%s port %u", argv[0], (unsigned)port);
		return command_fail(EXIT_SYSTEM, &e);
	}
	if (!json && !cbor)
		print_text(&a);
	else if (out_record(stdout, out_format(json, cbor), &ike_answer_type,
	    &a, &e) < 0)
		return command_fail(EXIT_SYSTEM, &e);
	return strcmp(a.answer, "accepted") == 0 ? EXIT_OK : EXIT_NO;
}
