#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path_int.h"
#include "wire/esp.h"

#define IKE_HEAD	28	/* RFC 7296, 3.1 */
#define IKE_MAX		15360	/* fits into a message to dmvpn-ike */
#define KNOWN		200	/* a second, of one SPI */
#define KNOWN_BURST	100	/* a message has at most 64 fragments */
#define STRANGERS	2000	/* a second, of unknown SPIs */
#define STRANGER_BURST	500
#define IKE_WHOLE	1220	/* octets: passes nearly everywhere */

static struct ike_spi *
known(const struct path *p, const uint64_t spi[2])
{
	struct path_node *n = path_hash_first(&p->ike, spi[0]);

	if (n == NULL && spi[1] != 0)
		n = path_hash_first(&p->ike, spi[1]);
	return n == NULL ? NULL : path_entry(n, struct ike_spi, node);
}

/* IKE on port 4500, without the marker.  Datagrams of SAs that dmvpn-ike
 * knows never wait behind those of strangers, nor many of one SA before those
 * of another. */
void
in_ike(struct path_thread *t, const struct in_meta *m, const uint8_t *p,
    size_t n)
{
	struct event_head h = { .type = PATH_IKE };
	struct ike_spi *s;
	uint64_t spi[2];

	if (n < IKE_HEAD || n > IKE_MAX) {
		drop(t, DROP_UDP_SHORT);
		return;
	}
	h.local = m->local;
	h.remote = m->remote;
	spi[0] = (uint64_t)load32(p) << 32 | load32(p + 4);
	spi[1] = (uint64_t)load32(p + 8) << 32 | load32(p + 12);
	s = known(t->p, spi);
	if (s != NULL) {
		if (!bucket_take_shared(&s->bucket, t->now, KNOWN,
		    KNOWN_BURST))
			drop(t, DROP_RATE);
		else
			say(t, &h, p, n);
		return;
	}
	if (!bucket_take(&t->ike, t->now, STRANGERS, STRANGER_BURST))
		drop(t, DROP_IKE_RATE);
	else
		say_stranger(t, &h, p, n);
}

int
path_ike_spi_add(struct path *p, uint64_t spi, struct err *e)
{
	struct ike_spi *s;

	if (spi == 0)
		return err_set(e, EINVAL, "an IKE SPI is not zero");
	if (path_hash_first(&p->ike, spi) != NULL)
		return 0;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	s->node.key = spi;
	path_hash_add(&p->ike, &s->node);
	guard_changed(p);
	return 0;
}

static void
spi_free(struct path_retire *r)
{
	free(path_entry(r, struct ike_spi, retire));
}

static void
spi_remove(struct path *p, struct path_node *n)
{
	struct ike_spi *s = path_entry(n, struct ike_spi, node);

	path_hash_remove(&p->ike, n);
	p->guard.stale = true;
	path_epoch_retire(&p->epoch, &s->retire, spi_free);
}

void
path_ike_spi_delete(struct path *p, uint64_t spi)
{
	struct path_node *n = path_hash_first(&p->ike, spi);

	if (n != NULL)
		spi_remove(p, n);
	path_epoch_collect(&p->epoch);
}

void
path_ike_free_all(struct path *p)
{
	struct path_node *n;
	size_t i;

	for (i = 0; p->ike.slot != NULL && i <= p->ike.mask; i++)
		while ((n = get(&p->ike.slot[i])) != NULL)
			spi_remove(p, n);
}

int
path_ike_send(struct path *p, const struct endpoint *remote,
    const struct addr *local, struct rbuf data, struct err *e)
{
	static const uint8_t marker[IKE_MARKER_LEN];
	struct peer_route r;
	uint8_t ctl[128];
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)marker, sizeof(marker) },
		{ (void *)(uintptr_t)data.p, rbuf_left(&data) },
	};
	struct msghdr mh = { .msg_name = &r.to, .msg_iov = iov,
	    .msg_iovlen = 2 };
	bool v6 = remote->addr.len == 16;
	int fd = get(&p->socket[v6 ? PATH_UDP6 : PATH_UDP4]), tries;

	if (fd < 0)
		return err_set(e, ENOTCONN, "no socket for IPv%d on port "
		    "4500", v6 ? 6 : 4);
	if (local != NULL && local->len != 0 &&
	    local->len != remote->addr.len)
		return err_set(e, EINVAL, "local and remote of two families");
	endpoint_sockaddr(remote, &r);
	mh.msg_namelen = r.to_len;
	tx_control(&mh, ctl, local, v6, 0, 0);
	/* Nobody probes for IKE: what may not pass, IP may fragment. */
	if (rbuf_left(&data) > IKE_WHOLE && tx_send_cut(fd, v6, &mh))
		return 0;
	/* A first error may be an old one, about another datagram. */
	for (tries = 0; tries < 3; tries++)
		if (sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
		    (errno == EMSGSIZE && tx_send_cut(fd, v6, &mh)))
			return 0;
	return err_sys(e, "send IKE on port 4500");
}

int
path_nhrp_send(struct path *p, unsigned interface, uint16_t peer,
    struct rbuf data, struct err *e)
{
	struct event_head h = { .type = PATH_NHRP, .peer = peer,
	    .interface = (uint8_t)interface };
	unsigned sender = share_sender(p, 0);

	if (path_iface_find(p, interface) == NULL)
		return err_set(e, ENOENT, "no interface %u", interface);
	if (path_peer_find(p, peer) == NULL)
		return err_set(e, ENOENT, "no peer %u", peer);
	if (!path_ring_put(&p->thread[sender].commands, &h, sizeof(h),
	    data.p, rbuf_left(&data)))
		return err_set(e, ENOBUFS, "queue of NHRP messages is full");
	path_thread_wake(&p->thread[share_holder(p, sender)]);
	return 0;
}
