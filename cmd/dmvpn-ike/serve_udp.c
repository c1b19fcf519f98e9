#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve.h"
#include "sys/log.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

/*
 * Port 500 has two queues: requests of those who have no IKE SA yet wait in
 * one of their own, which is read last.  However many they are, they never
 * crowd out what belongs to IKE SAs.
 */
#define BATCH		16
#define DATAGRAM_MAX	16384	/* longer ones are no IKE of any peer */
#define RECEIVE_BUFFER	(1 << 20)
#define FLAGS_AT	19	/* RFC 7296, 3.1 */
#define MARK_ROOM	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + \
			    CMSG_SPACE(sizeof(struct in_pktinfo)))

union sock {
	struct sockaddr		any;
	struct sockaddr_in	in4;
	struct sockaddr_in6	in6;
};

static socklen_t
sock_of(union sock *s, const struct addr *a, uint16_t port)
{
	memset(s, 0, sizeof(*s));
	if (a->len == 16) {
		s->in6.sin6_family = AF_INET6;
		s->in6.sin6_port = htons(port);
		memcpy(&s->in6.sin6_addr, a->b, 16);
		return sizeof(s->in6);
	}
	s->in4.sin_family = AF_INET;
	s->in4.sin_port = htons(port);
	memcpy(&s->in4.sin_addr, a->b, 4);
	return sizeof(s->in4);
}

static struct endpoint
sock_endpoint(const union sock *s)
{
	struct endpoint p = { .port = 0 };

	if (s->any.sa_family == AF_INET6) {
		p.addr = addr_of(&s->in6.sin6_addr, 16);
		p.port = ntohs(s->in6.sin6_port);
	} else if (s->any.sa_family == AF_INET) {
		p.addr = addr_of(&s->in4.sin_addr, 4);
		p.port = ntohs(s->in4.sin_port);
	}
	return p;
}

/* ---- opening ---- */

static int
in_use(uint16_t port, struct err *e)
{
	int saved = errno;

	if (saved == EADDRINUSE)
		return err_set(e, saved, "UDP port %u is in use by another "
		    "program; \"ss -lnpu 'sport = %u'\" shows which", port,
		    port);
	if (saved == EACCES)
		return err_set(e, saved, "UDP port %u needs "
		    "CAP_NET_BIND_SERVICE or net.ipv4."
		    "ip_unprivileged_port_start <= %u", port, port);
	errno = saved;
	return err_sys(e, "bind UDP port %u", port);
}

static int
flag_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int
udp_open(int family, uint16_t port, bool more, struct err *e)
{
	struct addr any = { .len = family == AF_INET ? 4 : 16 };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int size = RECEIVE_BUFFER;
	union sock s;
	socklen_t len = sock_of(&s, &any, port);

	if (fd < 0)
		return err_sys(e, "UDP socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
	    sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size,
		    sizeof(size));
	if (family == AF_INET ? flag_on(fd, IPPROTO_IP, IP_PKTINFO) < 0 :
	    flag_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0 ||
	    flag_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) < 0)
		err_sys(e, "UDP socket options");
	else if (more && flag_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		err_sys(e, "a second socket on port %u", port);
	else if (bind(fd, &s.any, len) == 0)
		return fd;
	else
		in_use(port, e);
	close(fd);
	return -1;
}

/* To the second socket: requests without a responder's SPI (RFC 7296, 3.1).
 * A load behind the end gives the first. */
static int
split(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IKE_FLAG_RESPONSE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog prog = {
	    .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
	    sizeof(prog));
}

/* The port was ours alone; this one shares it with us.  -1: not here. */
static int
udp_second(int first, int family, uint16_t port)
{
	struct err e;
	int fd;

	if (first < 0 || flag_on(first, SOL_SOCKET, SO_REUSEPORT) < 0 ||
	    (fd = udp_open(family, port, true, &e)) < 0)
		return -1;
	if (split(fd) == 0)
		return fd;
	close(fd);
	return -1;
}

int
serve_udp_open(struct daemon *d, struct err *e)
{
	struct err no6 = { 0 };

	d->new4 = d->new6 = -1;
	d->ask4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	d->udp4 = udp_open(AF_INET, d->conf.port, false, e);
	if (d->udp4 < 0 && !d->conf.may_lack)
		return -1;
	if (d->udp4 < 0) {
		log_event(LEVEL_INFO, "port-4500-only", T("why", e->msg));
		d->ask6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		return 0;
	}
	d->udp6 = udp_open(AF_INET6, d->conf.port, false, &no6);
	if (d->udp6 < 0 && no6.code == EADDRINUSE) {
		*e = no6;
		return -1;
	}
	if (d->udp6 < 0)
		log_event(LEVEL_INFO, "no-ipv6", T("why", no6.msg));
	else
		d->ask6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	d->new4 = udp_second(d->udp4, AF_INET, d->conf.port);
	d->new6 = udp_second(d->udp6, AF_INET6, d->conf.port);
	return 0;
}

static void
udp_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
serve_udp_close(struct daemon *d)
{
	watch_stop(&d->watch4);
	watch_stop(&d->watch6);
	watch_stop(&d->watch_new4);
	watch_stop(&d->watch_new6);
	udp_close(&d->udp4);
	udp_close(&d->udp6);
	udp_close(&d->new4);
	udp_close(&d->new6);
	udp_close(&d->ask4);
	udp_close(&d->ask6);
}

/* ---- receiving ---- */

static struct addr
asked_address(struct msghdr *h)
{
	struct in6_pktinfo p6;
	struct in_pktinfo p4;
	struct addr none = { .len = 0 };
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&p4, CMSG_DATA(c), sizeof(p4));
			return addr_of(&p4.ipi_addr, 4);
		}
		if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&p6, CMSG_DATA(c), sizeof(p6));
			return addr_of(&p6.ipi6_addr, 16);
		}
	}
	return none;
}

struct batch {
	struct mmsghdr	head[BATCH];
	struct iovec	iov[BATCH];
	union sock	from[BATCH];
	union {
		struct cmsghdr	align;
		uint8_t		room[MARK_ROOM];
	} mark[BATCH];
	uint8_t		data[BATCH][DATAGRAM_MAX];
};

static void
batch_prepare(struct batch *b)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){ b->data[i], DATAGRAM_MAX };
		b->head[i].msg_hdr = (struct msghdr){
			.msg_name = &b->from[i],
			.msg_namelen = sizeof(b->from[i]),
			.msg_iov = &b->iov[i], .msg_iovlen = 1,
			.msg_control = &b->mark[i],
			.msg_controllen = sizeof(b->mark[i]),
		};
	}
}

static void
udp_read(struct daemon *d, int fd)
{
	static struct batch b;
	struct endpoint local, remote;
	int i, n;

	batch_prepare(&b);
	n = recvmmsg(fd, b.head, BATCH, MSG_DONTWAIT, NULL);
	for (i = 0; i < n; i++) {
		if (b.head[i].msg_hdr.msg_flags & MSG_TRUNC)
			continue;
		local.addr = asked_address(&b.head[i].msg_hdr);
		local.port = d->conf.port;
		remote = sock_endpoint(&b.from[i]);
		if (local.addr.len == 0 || remote.port == 0)
			continue;
		ike_engine_packet(d->engine, loop_now(d->loop), clock_wall(),
		    &local, &remote, b.data[i], b.head[i].msg_len);
	}
}

/* What came for SAs first. */
static void
udp_readable(struct daemon *d, int known, int fresh)
{
	udp_read(d, known);
	if (fresh >= 0)
		udp_read(d, fresh);
	serve_turn(d);
}

static void
readable4(void *arg)
{
	struct daemon *d = arg;

	udp_readable(d, d->udp4, -1);
}

static void
readable6(void *arg)
{
	struct daemon *d = arg;

	udp_readable(d, d->udp6, -1);
}

static void
readable_new4(void *arg)
{
	struct daemon *d = arg;

	udp_readable(d, d->udp4, d->new4);
}

static void
readable_new6(void *arg)
{
	struct daemon *d = arg;

	udp_readable(d, d->udp6, d->new6);
}

int
serve_udp_watch(struct daemon *d, struct err *e)
{
	const struct {
		struct watch	*w;
		int		 fd;
		loop_fn		*fn;
	} all[] = {
		{ &d->watch4, d->udp4, readable4 },
		{ &d->watch6, d->udp6, readable6 },
		{ &d->watch_new4, d->new4, readable_new4 },
		{ &d->watch_new6, d->new6, readable_new6 },
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].fd >= 0 && watch_read(d->loop, all[i].w, all[i].fd,
		    all[i].fn, d, e) < 0)
			return -1;
	return 0;
}

/* ---- sending ---- */

/* From the address that was asked (RFC 7296, 2.11). */
static void
mark_source(struct msghdr *h, const struct addr *local)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	struct in6_pktinfo p6 = { .ipi6_ifindex = 0 };
	struct in_pktinfo p4 = { .ipi_ifindex = 0 };

	if (local->len == 16) {
		memcpy(&p6.ipi6_addr, local->b, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p6));
		memcpy(CMSG_DATA(c), &p6, sizeof(p6));
		h->msg_controllen = CMSG_SPACE(sizeof(p6));
	} else {
		memcpy(&p4.ipi_spec_dst, local->b, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(p4));
		memcpy(CMSG_DATA(c), &p4, sizeof(p4));
		h->msg_controllen = CMSG_SPACE(sizeof(p4));
	}
}

void
serve_udp_send(struct daemon *d, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	union {
		struct cmsghdr	align;
		uint8_t		room[MARK_ROOM];
	} mark = { .room = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
	    .iov_len = len };
	union sock to;
	struct msghdr h = { .msg_name = &to, .msg_iov = &iov,
	    .msg_iovlen = 1, .msg_control = &mark,
	    .msg_controllen = sizeof(mark) };
	int fd = remote->addr.len == 16 ? d->udp6 : d->udp4;
	struct addr_buf b;

	if (fd < 0)
		return;
	h.msg_namelen = sock_of(&to, &remote->addr, remote->port);
	if (local->addr.len == remote->addr.len)
		mark_source(&h, &local->addr);
	else {
		h.msg_control = NULL;
		h.msg_controllen = 0;
	}
	/* What is lost here is sent again by the engine. */
	if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		ike_engine_unsent(d->engine, errno);
		log_event(LEVEL_INFO, "send-failed",
		    T("peer", endpoint_text(remote, &b)),
		    T("why", strerror(errno)));
	}
}

int
serve_local_for(void *arg, const struct addr *remote, struct addr *local)
{
	const struct daemon *d = arg;
	int fd = remote->len == 16 ? d->ask6 : d->ask4;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	union sock s;
	socklen_t len = sock_of(&s, remote, 500);
	int rc = -1;

	if (fd < 0)
		return -1;
	/* Connecting a UDP socket asks the routing table and sends nothing. */
	if (connect(fd, &s.any, len) == 0) {
		len = sizeof(s);
		rc = getsockname(fd, &s.any, &len);
	}
	(void)connect(fd, &none, sizeof(none));
	*local = sock_endpoint(&s).addr;
	return rc < 0 || local->len == 0 ? -1 : 0;
}
