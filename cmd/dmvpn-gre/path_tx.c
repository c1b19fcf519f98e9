#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "path_int.h"

/*
 * Datagrams stand one behind another in one buffer.  Those that go to the
 * same place, have the same size (the last may be shorter) and the same
 * traffic class share one message with UDP_SEGMENT; up to 64 messages share
 * one sendmmsg.
 */
#define SEND_MAX	65000	/* octets of one UDP_SEGMENT message */
#define SEND_WAIT	20	/* ms for a full socket buffer */

int
tx_init(struct tx *tx)
{
	return (tx->buf = malloc(PATH_TX_BUF)) == NULL ? -1 : 0;
}

void
tx_fini(struct tx *tx)
{
	if (tx->buf != NULL)
		secret_wipe(tx->buf, PATH_TX_BUF);
	free(tx->buf);
	tx->buf = NULL;
}

uint8_t *
tx_reserve(struct path_thread *t, size_t n)
{
	struct tx *tx = &t->tx;

	if (n > PATH_TX_BUF)
		return NULL;
	if (tx->n == PATH_BATCH || PATH_TX_BUF - tx->len < n)
		tx_flush(t);
	return tx->buf + tx->len;
}

static bool
joins(const struct path_thread *t, const struct tx_msg *m,
    const struct tx_msg *how, size_t off, size_t n)
{
	/* One SPI, since who receives several may share them out. */
	return m->route == how->route && !m->closed && m->tos == how->tos &&
	    m->sa == how->sa && m->iface == how->iface &&
	    m->local == how->local && !m->cut && !how->cut &&
	    m->off + m->len == off && n <= m->seg &&
	    m->count < PATH_SEGMENTS && m->len + n <= SEND_MAX &&
	    m->route->c.encap == GRE_ENCAP_UDP &&
	    feature_on(t->p, PATH_UDP_SEGMENT);
}

void
tx_commit(struct path_thread *t, const struct tx_msg *how,
    const uint8_t *at, size_t n)
{
	struct tx *tx = &t->tx;
	struct tx_msg *m = tx->n > 0 ? &tx->msg[tx->n - 1] : NULL;
	size_t off = (size_t)(at - tx->buf);

	tx->len = off + n;
	if (m != NULL && joins(t, m, how, off, n)) {
		m->len += n;
		m->inner += how->inner;
		m->count++;
		m->closed = n < m->seg;
		return;
	}
	m = &tx->msg[tx->n++];
	*m = *how;
	m->off = off;
	m->len = n;
	m->seg = (uint16_t)n;
	m->count = 1;
	m->closed = false;
}

static void *
cmsg_put(struct msghdr *mh, uint8_t *ctl, int level, int type, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(ctl +
	    mh->msg_controllen);

	memset(c, 0, CMSG_SPACE(n));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	mh->msg_controllen += CMSG_SPACE(n);
	return CMSG_DATA(c);
}

/* Ancillary data: source address, segment size, traffic class, each when
 * wanted.  ctl has 128 octets, aligned. */
size_t
tx_control(struct msghdr *mh, uint8_t *ctl, const struct addr *local,
    bool v6, uint16_t segment, uint8_t tos)
{
	struct in6_pktinfo six = { .ipi6_ifindex = 0 };
	struct in_pktinfo four = { .ipi_ifindex = 0 };
	int class = tos;

	mh->msg_controllen = 0;
	if (local != NULL && local->len == 16) {
		memcpy(&six.ipi6_addr, local->b, 16);
		memcpy(cmsg_put(mh, ctl, IPPROTO_IPV6, IPV6_PKTINFO,
		    sizeof(six)), &six, sizeof(six));
	} else if (local != NULL && local->len == 4) {
		memcpy(&four.ipi_spec_dst, local->b, 4);
		memcpy(cmsg_put(mh, ctl, IPPROTO_IP, IP_PKTINFO,
		    sizeof(four)), &four, sizeof(four));
	}
	if (segment != 0)
		memcpy(cmsg_put(mh, ctl, IPPROTO_UDP, UDP_SEGMENT,
		    sizeof(segment)), &segment, sizeof(segment));
	if (tos != 0)
		memcpy(cmsg_put(mh, ctl, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    v6 ? IPV6_TCLASS : IP_TOS, sizeof(class)), &class,
		    sizeof(class));
	mh->msg_control = mh->msg_controllen > 0 ? ctl : NULL;
	return mh->msg_controllen;
}

static void
prepare(struct tx *tx, unsigned i)
{
	const struct tx_msg *m = &tx->msg[i];
	struct msghdr *mh = &tx->mm[i].msg_hdr;

	memset(mh, 0, sizeof(*mh));
	tx->iov[i].iov_base = tx->buf + m->off;
	tx->iov[i].iov_len = m->len;
	mh->msg_iov = &tx->iov[i];
	mh->msg_iovlen = 1;
	mh->msg_name = (void *)(uintptr_t)&m->route->to;
	mh->msg_namelen = m->route->to_len;
	tx_control(mh, tx->ctl[i], m->local,
	    m->route->c.remote.addr.len == 16,
	    m->count > 1 ? m->seg : 0, m->tos);
}

/* Once a message: several threads may write these. */
static void
tally(const struct path_thread *t, const struct tx_msg *m)
{
	if (m->iface == NULL)
		return;
	count(&m->iface->tx_packets, m->count);
	count(&m->iface->tx_bytes, m->inner);
	count(&m->peer->tx_packets, m->count);
	count(&m->peer->tx_bytes, m->inner);
	atomic_store_explicit(&m->peer->last_out, t->now,
	    memory_order_relaxed);
	if (m->sa == NULL)
		return;
	count(&m->sa->tx_packets, m->count);
	count(&m->sa->tx_bytes, m->inner);
}

static void
lost(struct path_thread *t, const struct tx_msg *m, enum path_drop why)
{
	count1(&t->drops[why], m->count);
	if (m->peer != NULL)
		count(&m->peer->drops, m->count);
}

/* Datagram by datagram, after a UDP_SEGMENT send was refused.  Returns the
 * errno of the last failure, 0 when all went. */
static int
send_single(struct path_thread *t, int fd, const struct tx_msg *m)
{
	struct iovec iov;
	struct msghdr mh = { .msg_name = (void *)(uintptr_t)&m->route->to,
	    .msg_namelen = m->route->to_len, .msg_iov = &iov,
	    .msg_iovlen = 1 };
	size_t at = 0;
	int why = 0, tries;

	tx_control(&mh, t->tx.ctl[0], m->local,
	    m->route->c.remote.addr.len == 16, 0, m->tos);
	for (at = 0; at < m->len; at += iov.iov_len) {
		iov.iov_base = t->tx.buf + m->off + at;
		iov.iov_len = m->len - at < m->seg ? m->len - at : m->seg;
		for (tries = 0; tries < 2; tries++)
			if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >=
			    0)
				break;
		if (tries == 2) {
			why = errno;
			count1(&t->drops[why == EMSGSIZE ? DROP_TOO_BIG :
			    DROP_SEND], 1);
			if (m->peer != NULL)
				count(&m->peer->drops, 1);
		}
	}
	return why;
}

/* UDP_SEGMENT was refused: does it work at all here?  EIO: the device can
 * not checksum.  EINVAL and EMSGSIZE may just be a segment over the path's
 * MTU, when single ones fail too. */
static void
segment_failed(struct path_thread *t, int fd, const struct tx_msg *m,
    int why)
{
	int single = send_single(t, fd, m);

	if (why == EMSGSIZE || (why == EINVAL && single == EMSGSIZE))
		return;
	if (why == EIO || why == ENOPROTOOPT || why == EOPNOTSUPP ||
	    why == EINVAL)
		feature_set(t->p, PATH_UDP_SEGMENT, false, why);
}

/* Too big for the path, but it must go: let IP fragment this one.  Another
 * thread's datagram may slip through meanwhile; it is cut, no worse. */
bool
tx_send_cut(int fd, bool v6, const struct msghdr *mh)
{
	bool ok;
	int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int name = v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
	int dont = v6 ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
	int as_before = v6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE;

	if (setsockopt(fd, level, name, &dont, sizeof(dont)) < 0)
		return false;
	ok = sendmsg(fd, mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
	(void)setsockopt(fd, level, name, &as_before, sizeof(as_before));
	return ok;
}

/* The first of the messages from i on was refused; true: try it again. */
static bool
refused(struct path_thread *t, int fd, unsigned i, int why, int *tries)
{
	struct tx_msg *m = &t->tx.msg[i];
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (why == EINTR)
		return true;
	if (why == EAGAIN && (*tries)++ < 1)
		return poll(&pfd, 1, SEND_WAIT) > 0;
	if (m->cut && why == EMSGSIZE &&
	    tx_send_cut(fd, m->route->c.remote.addr.len == 16,
	    &t->tx.mm[i].msg_hdr))
		return false;
	if (m->count > 1 && (why == EIO || why == EINVAL ||
	    why == EMSGSIZE || why == ENOPROTOOPT || why == EOPNOTSUPP)) {
		segment_failed(t, fd, m, why);
		return false;
	}
	/* An error that ICMP brought about some other datagram is told once
	 * to whoever sends next (IP_RECVERR). */
	if (why != EMSGSIZE && why != EAGAIN && (*tries)++ < 2)
		return true;
	lost(t, m, why == EMSGSIZE ? DROP_TOO_BIG : DROP_SEND);
	return false;
}

static void
send_run(struct path_thread *t, int fd, unsigned from, unsigned to)
{
	int n, tries = 0;

	while (from < to) {
		n = sendmmsg(fd, &t->tx.mm[from], to - from, MSG_NOSIGNAL |
		    MSG_DONTWAIT);
		if (n > 0) {
			from += (unsigned)n;
			tries = 0;
			continue;
		}
		if (!refused(t, fd, from, errno, &tries)) {
			from++;
			tries = 0;
		}
	}
}

void
tx_flush(struct path_thread *t)
{
	struct tx *tx = &t->tx;
	unsigned i = 0, end;
	int fd;

	for (; i < tx->n; i = end) {
		enum path_socket kind = tx->msg[i].route->kind;

		for (end = i; end < tx->n && tx->msg[end].route->kind == kind;
		    end++) {
			tally(t, &tx->msg[end]);
			prepare(tx, end);
		}
		fd = get(&t->p->socket[kind]);
		if (fd >= 0) {
			send_run(t, fd, i, end);
			continue;
		}
		for (; i < end; i++)
			lost(t, &tx->msg[i], DROP_NO_SOCKET);
	}
	tx->n = 0;
	tx->len = 0;
}
