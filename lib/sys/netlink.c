#include "sys/netlink_msg.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/netlink.h"

#define DUMP_TRIES 8

struct netlink *
netlink_open(struct err *e)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int one = 1;

	if (n == NULL)
		return err_null(err_set(e, ENOMEM, "out of memory"));
	if ((n->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) == NULL ||
	    mnl_socket_bind(n->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err_sys(e, "open a netlink socket");
		netlink_close(n);
		return NULL;
	}
	/* An old kernel gives numbers only; that is good enough. */
	(void)mnl_socket_setsockopt(n->sock, NETLINK_EXT_ACK, &one,
	    sizeof(one));
	(void)mnl_socket_setsockopt(n->sock, NETLINK_GET_STRICT_CHK, &one,
	    sizeof(one));
	return n;
}

void
netlink_close(struct netlink *n)
{
	if (n == NULL)
		return;
	if (n->sock != NULL)
		mnl_socket_close(n->sock);
	if (n->events != NULL)
		mnl_socket_close(n->events);
	free(n);
}

void *
nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, size_t len)
{
	memset(m, 0, sizeof(*m));
	m->h = mnl_nlmsg_put_header(m->u.b);
	m->h->nlmsg_type = type;
	m->h->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(m->h, len);
}

void
nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len)
{
	if (!mnl_attr_put_check(m->h, sizeof(m->u), type, len, data))
		m->bad = true;
}

void
nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void
nl_put_text(struct nl_msg *m, uint16_t type, const char *text)
{
	if (!mnl_attr_put_strz_check(m->h, sizeof(m->u), type, text))
		m->bad = true;
}

void
nl_put_addr(struct nl_msg *m, uint16_t type, const struct addr *a)
{
	nl_put(m, type, a->b, a->len);
}

struct nlattr *
nl_nest(struct nl_msg *m, uint16_t type)
{
	struct nlattr *nest = mnl_attr_nest_start_check(m->h, sizeof(m->u),
	    type);

	if (nest == NULL)
		m->bad = true;
	return nest;
}

void
nl_nest_end(struct nl_msg *m, struct nlattr *nest)
{
	if (nest != NULL)
		mnl_attr_nest_end(m->h, nest);
}

/* The kernel's verdict, with its sentence when it gave one. */
struct verdict {
	int	error;
	char	text[160];
};

static int
verdict_attr(const struct nlattr *a, void *arg)
{
	struct verdict *v = arg;

	if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
		nl_text(a, v->text, sizeof(v->text));
	return MNL_CB_OK;
}

static void
verdict_read(const struct nlmsghdr *h, struct verdict *v)
{
	const struct nlmsgerr *m = mnl_nlmsg_get_payload(h);
	size_t skip = sizeof(*m);

	memset(v, 0, sizeof(*v));
	v->error = EBADMSG;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return;
	v->error = m->error < 0 ? -m->error : m->error;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += m->msg.nlmsg_len - sizeof(m->msg);
	if (m->msg.nlmsg_len >= sizeof(m->msg) &&
	    skip <= mnl_nlmsg_get_payload_len(h))
		(void)mnl_attr_parse(h, (unsigned)MNL_ALIGN(skip), verdict_attr,
		    v);
}

static int
verdict_err(const struct verdict *v, struct err *e)
{
	if (v->text[0] == '\0')
		return err_set(e, v->error, "%s", strerror(v->error));
	return err_set(e, v->error, "%s (%s)", strerror(v->error), v->text);
}

/* The end of a dump may carry an error. */
static int
done_read(const struct nlmsghdr *h, struct err *e)
{
	int32_t error = 0;

	if (mnl_nlmsg_get_payload_len(h) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(h), sizeof(error));
	if (error >= 0)
		return 0;
	return err_set(e, -error, "%s", strerror(-error));
}

/*
 * Take in one datagram of answers.  1: more to come, 0: done, -1: refused
 * (EINTR: a dump was interrupted by a change).  one: the first is the last.
 */
static int
take_answers(struct netlink *n, size_t len, bool one, mnl_cb_t fn, void *arg,
    bool *torn, struct err *e)
{
	const struct nlmsghdr *h = (const void *)n->u.b;
	struct verdict v;
	int left = (int)len;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != n->seq)
			continue;	/* the rest of one given up on */
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			*torn = true;
		if (h->nlmsg_type == NLMSG_ERROR) {
			verdict_read(h, &v);
			return v.error == 0 ? 0 : verdict_err(&v, e);
		}
		if (h->nlmsg_type == NLMSG_DONE)
			return done_read(h, e);
		if (h->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		if (fn != NULL)
			(void)fn(h, arg);
		if (one)
			return 0;
	}
	return 1;
}

static int
transact(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    bool *torn, struct err *e)
{
	bool one = !(m->h->nlmsg_flags & (NLM_F_ACK | NLM_F_DUMP));
	ssize_t len;
	int rc = 1;

	if (m->bad)
		return err_set(e, ENOBUFS, "netlink message too long");
	m->h->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->sock, m->h, m->h->nlmsg_len) < 0)
		return err_sys(e, "netlink request");
	while (rc > 0) {
		do
			len = mnl_socket_recvfrom(n->sock, n->u.b,
			    sizeof(n->u));
		while (len < 0 && errno == EINTR);
		if (len < 0)
			return err_sys(e, "netlink answer");
		rc = take_answers(n, (size_t)len, one, fn, arg, torn, e);
	}
	return rc;
}

int
netlink_call(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e)
{
	bool torn = false;

	m->h->nlmsg_flags |= NLM_F_ACK;
	return transact(n, m, fn, arg, &torn, e);
}

int
netlink_get(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e)
{
	bool torn = false;

	return transact(n, m, fn, arg, &torn, e);
}

int
netlink_dump(struct netlink *n, struct nl_msg *m, mnl_cb_t fn, void *arg,
    struct err *e)
{
	bool torn = true;
	int i;

	m->h->nlmsg_flags |= NLM_F_DUMP;
	for (i = 0; torn && i < DUMP_TRIES; i++) {
		torn = false;
		if (transact(n, m, fn, arg, &torn, e) < 0)
			return -1;
	}
	return torn ? err_set(e, EAGAIN, "what is listed changes too fast") :
	    0;
}

uint8_t
nl_family(const struct addr *a)
{
	return a->len == 16 ? AF_INET6 : AF_INET;
}

static int
keep_attr(const struct nlattr *a, void *arg)
{
	struct nl_attrs *t = arg;
	unsigned type = mnl_attr_get_type(a);

	if (type < sizeof(t->a) / sizeof(t->a[0]))
		t->a[type] = a;
	return MNL_CB_OK;
}

void
nl_attrs(const struct nlmsghdr *h, size_t header, struct nl_attrs *t)
{
	memset(t, 0, sizeof(*t));
	(void)mnl_attr_parse(h, (unsigned)header, keep_attr, t);
}

uint32_t
nl_u32(const struct nlattr *a)
{
	uint32_t v = 0;

	if (a != NULL && mnl_attr_get_payload_len(a) == sizeof(v))
		memcpy(&v, mnl_attr_get_payload(a), sizeof(v));
	return v;
}

struct addr
nl_addr(const struct nlattr *a)
{
	if (a == NULL)
		return addr_of(NULL, 0);
	return addr_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
}

void
nl_text(const struct nlattr *a, char *to, size_t len)
{
	size_t have;

	to[0] = '\0';
	if (a == NULL)
		return;
	have = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	if (have >= len)
		have = len - 1;
	memcpy(to, mnl_attr_get_payload(a), have);
	to[have] = '\0';
}
