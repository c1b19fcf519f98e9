#ifndef SPOKE_LOAD_WIRE_H
#define SPOKE_LOAD_WIRE_H

/*
 * Two sockets for all spokes: each datagram carries its own source address,
 * which is local to this namespace as part of a network.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spoke_load.h"

#define WIRE_BATCH	64
#define WIRE_MTU	2048
#define WIRE_BUFFER	(16 << 20)

struct wire_batch {
	struct mmsghdr		head[WIRE_BATCH];
	struct iovec		iov[WIRE_BATCH];
	struct sockaddr_in	peer[WIRE_BATCH];
	union {
		struct cmsghdr	align;
		uint8_t		room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} mark[WIRE_BATCH];
	uint8_t			data[WIRE_BATCH][WIRE_MTU];
	unsigned		n;
};

static struct wire_batch wire_out[2], wire_in;

static inline struct sockaddr_in
wire_sock(const struct endpoint *p)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
	    .sin_port = htons(p->port) };

	memcpy(&sin.sin_addr, p->addr.b, 4);
	return sin;
}

static inline int
wire_open(uint16_t port)
{
	struct endpoint any = { { .len = 4 }, port };
	struct sockaddr_in sin = wire_sock(&any);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0), on = 1, size = WIRE_BUFFER;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on,
	    sizeof(on)) < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on,
	    sizeof(on)) < 0 || bind(fd, (struct sockaddr *)&sin,
	    sizeof(sin)) < 0)
		load_die(strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return fd;
}

static inline void
wire_slot(struct wire_batch *b, unsigned i, size_t len)
{
	b->iov[i] = (struct iovec){ b->data[i], len };
	b->head[i].msg_hdr = (struct msghdr){ .msg_name = &b->peer[i],
	    .msg_namelen = sizeof(b->peer[i]), .msg_iov = &b->iov[i],
	    .msg_iovlen = 1, .msg_control = &b->mark[i],
	    .msg_controllen = sizeof(b->mark[i]) };
}

static inline void
wire_flush(unsigned which)
{
	struct wire_batch *b = &wire_out[which];
	unsigned done = 0;
	int n;

	while (done < b->n) {
		n = sendmmsg(load.fd[which], b->head + done, b->n - done, 0);
		done += n > 0 ? (unsigned)n : 1;	/* one is lost */
	}
	b->n = 0;
}

/* From a spoke, by port 500 (0) or 4500 (1); marked: IKE at port 4500. */
static inline void
wire_send(const struct addr *from, const struct endpoint *to, unsigned which,
    bool marked, const void *data, size_t len)
{
	struct wire_batch *b = &wire_out[which];
	struct in_pktinfo info = { .ipi_ifindex = 0 };
	size_t head = marked ? IKE_MARKER_LEN : 0;
	unsigned i = b->n;
	struct cmsghdr *c;

	if (head + len > WIRE_MTU)
		return;
	memset(b->data[i], 0, head);
	memcpy(b->data[i] + head, data, len);
	b->peer[i] = wire_sock(to);
	wire_slot(b, i, head + len);
	c = CMSG_FIRSTHDR(&b->head[i].msg_hdr);
	memcpy(&info.ipi_spec_dst, from->b, 4);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	if (++b->n == WIRE_BATCH)
		wire_flush(which);
}

static inline struct addr
wire_to(struct msghdr *h)
{
	struct in_pktinfo info;
	struct cmsghdr *c = CMSG_FIRSTHDR(h);

	if (c == NULL || c->cmsg_type != IP_PKTINFO)
		return addr_of(NULL, 0);
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	return addr_of(&info.ipi_addr, 4);
}

/* One batch; true when there may be more. */
static inline bool
wire_receive(unsigned which, void (*take)(struct spoke *s, unsigned which,
    const struct endpoint *from, uint8_t *p, size_t len))
{
	struct endpoint from;
	struct spoke *s;
	struct addr to;
	int i, n;

	for (i = 0; i < WIRE_BATCH; i++)
		wire_slot(&wire_in, (unsigned)i, WIRE_MTU);
	n = recvmmsg(load.fd[which], wire_in.head, WIRE_BATCH, MSG_DONTWAIT,
	    NULL);
	for (i = 0; i < n; i++) {
		to = wire_to(&wire_in.head[i].msg_hdr);
		from.addr = addr_of(&wire_in.peer[i].sin_addr, 4);
		from.port = ntohs(wire_in.peer[i].sin_port);
		s = load_spoke_at(&to);
		if (s != NULL && s->g != NULL)
			take(s, which, &from, wire_in.data[i],
			    wire_in.head[i].msg_len);
	}
	return n == WIRE_BATCH;
}

#endif
