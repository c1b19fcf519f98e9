#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "path_int.h"
#include "wire/esp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static void
option(int fd, int level, int name, int value)
{
	/* What is refused is lived without: EPERM under a sandbox, or an
	 * old kernel. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static void
features(struct path *p, enum path_socket kind, int fd)
{
	int on = 1, zero = 0;

	if (kind == PATH_UDP4 || kind == PATH_UDP6) {
		feature_set(p, PATH_UDP_GRO, setsockopt(fd, IPPROTO_UDP,
		    UDP_GRO, &on, sizeof(on)) == 0, errno);
		/* Setting no default size only asks whether it is known. */
		feature_set(p, PATH_UDP_SEGMENT, setsockopt(fd, IPPROTO_UDP,
		    UDP_SEGMENT, &zero, sizeof(zero)) == 0, errno);
	}
	if (kind == PATH_ESP4 || kind == PATH_ESP6)
		feature_set(p, PATH_RAW_ESP, true, 0);
	if (kind == PATH_GRE4 || kind == PATH_GRE6)
		feature_set(p, PATH_RAW_GRE, true, 0);
	if (kind == PATH_UDP6)
		feature_set(p, PATH_IPV6, true, 0);
}

static void
prepare(struct path *p, enum path_socket kind, int fd)
{
	bool v6 = kind == PATH_UDP6 || kind == PATH_ESP6 ||
	    kind == PATH_GRE6;

	/* DF, but what the kernel holds of the path is not asked: probes
	 * find that out (path_probe.c), and there is one truth. */
	if (v6) {
		option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		    IPV6_PMTUDISC_PROBE);
		option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	} else {
		option(fd, IPPROTO_IP, IP_PKTINFO, 1);
		option(fd, IPPROTO_IP, IP_RECVTOS, 1);
		option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
		option(fd, IPPROTO_IP, IP_RECVERR, 1);
	}
	features(p, kind, fd);
}

/* There is one for each receiver: each is to get its own packets. */
static void
steer(struct path *p, enum path_socket kind)
{
	const struct port *port;
	unsigned i;
	int why = 0;

	if (p->n_in == 1 || p->n_sockets[kind] != p->n_in)
		return;
	for (i = 0; i < PATH_PORTS; i++) {
		port = get(&p->port[i]);
		if (port != NULL && port->kind == PORT_SOCKET &&
		    port->socket == kind &&
		    share_steer(p, kind, port->fd, port->thread) < 0)
			why = errno;
	}
	feature_set(p, PATH_STEER, why == 0, why);
}

int
path_socket_add(struct path *p, enum path_socket kind, int fd, struct err *e)
{
	struct port port = { .kind = PORT_SOCKET, .socket = kind, .fd = fd,
	    .thread = p->n_sockets[kind] % p->n_in };
	int rc;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		rc = err_sys(e, "socket of the packet path");
		close(fd);
		return rc;
	}
	filter_forget(fd);
	prepare(p, kind, fd);
	if (path_port_add(p, &port, e) < 0) {
		close(fd);
		return -1;
	}
	if (get(&p->socket[kind]) < 0)
		put(&p->socket[kind], fd);
	p->n_sockets[kind]++;
	steer(p, kind);
	return 0;
}

void
path_socket_remove(struct path *p, enum path_socket kind)
{
	put(&p->socket[kind], -1);
	p->n_sockets[kind] = 0;
	path_port_remove(p, PORT_SOCKET, kind, NULL);
	path_epoch_wait(&p->epoch, 100);
}

static struct endpoint
endpoint_of(const struct sockaddr_in6 *from)
{
	const struct sockaddr_in *four = (const void *)from;
	struct endpoint ep;

	memset(&ep, 0, sizeof(ep));
	if (from->sin6_family == AF_INET6) {
		ep.addr = addr_of(&from->sin6_addr, 16);
		ep.port = ntohs(from->sin6_port);
	} else if (four->sin_family == AF_INET) {
		ep.addr = addr_of(&four->sin_addr, 4);
		ep.port = ntohs(four->sin_port);
	}
	return ep;
}

/* Ancillary data of one message; returns the segment size, 0: one. */
static size_t
meta_of(struct msghdr *mh, struct in_meta *m)
{
	struct cmsghdr *c;
	size_t seg = 0;
	int v;

	memset(m, 0, sizeof(*m));
	m->remote = endpoint_of(mh->msg_name);
	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		v = 0;
		if (c->cmsg_level == IPPROTO_IP &&
		    c->cmsg_type == IP_PKTINFO)
			m->local.addr = addr_of(&((struct in_pktinfo *)
			    (void *)CMSG_DATA(c))->ipi_addr, 4);
		else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO)
			m->local.addr = addr_of(&((struct in6_pktinfo *)
			    (void *)CMSG_DATA(c))->ipi6_addr, 16);
		else if (c->cmsg_level == IPPROTO_IP &&
		    c->cmsg_type == IP_TOS)
			m->tos = *CMSG_DATA(c);
		else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_TCLASS) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			m->tos = (uint8_t)v;
		} else if (c->cmsg_level == IPPROTO_UDP &&
		    c->cmsg_type == UDP_GRO) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			seg = (size_t)v;
		}
	}
	return seg;
}

/* One datagram of port 4500: keepalive, IKE or ESP (RFC 3948, 2). */
void
in_udp(struct path_thread *t, const struct in_meta *m, uint8_t *p, size_t n)
{
	if (n == 1 && p[0] == UDP_KEEPALIVE)
		return;
	if (n <= IKE_MARKER_LEN)
		drop(t, DROP_UDP_SHORT);
	else if (load32(p) == 0)
		in_ike(t, m, p + IKE_MARKER_LEN, n - IKE_MARKER_LEN);
	else
		in_esp(t, m, p, n);
}

static void
in_message(struct path_thread *t, enum path_socket kind, struct mmsghdr *mm,
    uint8_t *p)
{
	struct in_meta m;
	size_t n = mm->msg_len, seg = meta_of(&mm->msg_hdr, &m), one;

	if (mm->msg_hdr.msg_flags & MSG_TRUNC) {
		drop(t, DROP_TRUNCATED);
		return;
	}
	switch (kind) {
	case PATH_ESP4:
	case PATH_GRE4:
		in_raw4(t, kind, &m, p, n);
		return;
	case PATH_ESP6:
	case PATH_GRE6:
		in_raw6(t, kind, &m, p, n);
		return;
	case PATH_UDP4:
	case PATH_UDP6:
		break;
	}
	m.udp = true;
	m.local.port = 4500;
	if (seg == 0 || seg > n)
		seg = n;
	do {
		one = n < seg ? n : seg;
		in_udp(t, &m, p, one);
		p += one;
		n -= one;
	} while (n > 0);
}

/* A batch; packets are put together and written at its end, since they
 * stand in the receive buffers until then. */
void
socket_read(struct path_thread *t, enum path_socket kind, int fd)
{
	struct rx *rx = t->rx;
	int i, n;

	for (i = 0; i < PATH_RX_BUFS; i++) {
		rx->iov[i].iov_base = rx->buf[i] + PATH_HEAD_ROOM;
		rx->iov[i].iov_len = 65536;
		rx->mm[i].msg_hdr = (struct msghdr){
			.msg_name = &rx->from[i],
			.msg_namelen = sizeof(rx->from[i]),
			.msg_iov = &rx->iov[i], .msg_iovlen = 1,
			.msg_control = rx->ctl[i],
			.msg_controllen = sizeof(rx->ctl[i]),
		};
	}
	n = recvmmsg(fd, rx->mm, PATH_RX_BUFS, MSG_DONTWAIT, NULL);
	if (n > 0)
		t->turn_read += (unsigned)n;
	fair_batch(t, &t->full_in[kind], n == PATH_RX_BUFS);
	for (i = 0; i < n; i++)
		in_message(t, kind, &rx->mm[i],
		    rx->buf[i] + PATH_HEAD_ROOM);
	gro_flush(t);
	share_wake(t);
}

/* What ICMP or our own stack said about datagrams: only "too big" counts,
 * and only down to the floor; nothing else said by strangers does. */
void
socket_errors(struct path_thread *t, enum path_socket kind, int fd)
{
	struct sockaddr_in6 to;
	struct sock_extended_err ee;
	uint8_t ctl[512] __attribute__((aligned(8))), data[64];
	struct iovec iov = { data, sizeof(data) };
	struct cmsghdr *c;
	int k;

	(void)kind;
	for (k = 0; k < PATH_BATCH; k++) {
		struct msghdr mh = { .msg_name = &to,
		    .msg_namelen = sizeof(to), .msg_iov = &iov,
		    .msg_iovlen = 1, .msg_control = ctl,
		    .msg_controllen = sizeof(ctl) };
		struct endpoint ep;

		memset(&to, 0, sizeof(to));
		if (recvmsg(fd, &mh, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		ep = endpoint_of(&to);
		for (c = CMSG_FIRSTHDR(&mh); c != NULL;
		    c = CMSG_NXTHDR(&mh, c)) {
			if ((c->cmsg_level != IPPROTO_IP ||
			    c->cmsg_type != IP_RECVERR) &&
			    (c->cmsg_level != IPPROTO_IPV6 ||
			    c->cmsg_type != IPV6_RECVERR))
				continue;
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
			if (ee.ee_errno == EMSGSIZE && ee.ee_info > 0 &&
			    ee.ee_info <= 65535 && ep.addr.len != 0)
				path_peer_mtu(t, &ep.addr,
				    (uint16_t)ee.ee_info);
		}
	}
}
