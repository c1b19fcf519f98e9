#include "path_int.h"
#include "wire/ip_icmp.h"

#define COPIES	50000	/* a second, when the interface says nothing */

/* Copies to all who listen, but never to where it came from: routed
 * multicast is found in the cache by source and group.  A group of the link
 * only (224.0.0.0/24, ff02::/16) that a peer sent is not passed on at all;
 * our own routing protocols' go out. */
static void
replicate(struct path_thread *t, struct out_frame *f, uint16_t ingress)
{
	const struct iface_group *g = get(&f->iface->group);
	uint64_t rate = f->conf->c.multicast_rate;
	struct path_bucket *b = &t->mcast[f->iface->id];
	struct peer *peer;
	size_t i, sent = 0;

	if (rate == 0)
		rate = COPIES;
	for (i = 0; g != NULL && i < g->n; i++) {
		if (g->peer[i] == ingress ||
		    (peer = path_peer_find(t->p, g->peer[i])) == NULL)
			continue;
		if (!bucket_take(b, t->now, rate, rate / 4 + 1)) {
			drop_peer(t, peer, DROP_RATE);
			continue;
		}
		out_to_peer(t, f, peer);
		sent++;
	}
	if (sent == 0 && (g == NULL || g->n == 0))
		drop(t, DROP_NO_LISTENER);
}

void
out_multicast(struct path_thread *t, struct out_frame *f)
{
	uint16_t ingress;

	if (out_nd(t, f))
		return;
	if (!ip_dst_multicast(f->ip, &f->v)) {
		drop(t, DROP_BROADCAST);
		return;
	}
	ingress = cache_get(t, f->iface->id, f->ip, &f->v);
	if (ingress != 0 && ip_dst_linklocal_group(f->ip, &f->v)) {
		drop(t, DROP_MULTICAST_BACK);
		return;
	}
	replicate(t, f, ingress);
}
