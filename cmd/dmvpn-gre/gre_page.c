#include <string.h>

#include "gre.h"

/* Octets of a page that are filled; a message holds 16,384. */
#define PAGE_ROOM	14000
#define ITEM_FIXED	400	/* numbers and keys of one item */

static bool
owner_wanted(const struct page *p, const char *owner)
{
	return p->owner[0] == '\0' || strcmp(p->owner, owner) == 0;
}

static bool
iface_wanted(struct gre *g, const struct page *p, unsigned id)
{
	const struct gre_iface *i = gre_iface_by_id(g, id);

	return p->interface[0] == '\0' || (i != NULL &&
	    strcmp(i->conf.interface, p->interface) == 0);
}

static void
copy_name(struct gre *g, unsigned id, char to[16])
{
	const struct gre_iface *i = gre_iface_by_id(g, id);

	if (i != NULL)
		memcpy(to, i->conf.interface, 16);
}

static void
interface_item(struct gre *g, struct gre_iface *i, struct gre_interface *out)
{
	struct path_interface_stat s = { 0 };

	memset(out, 0, sizeof(*out));
	memcpy(out->interface, i->conf.interface, sizeof(out->interface));
	memcpy(out->owner, i->conf.owner, sizeof(out->owner));
	out->mode = i->conf.mode;
	out->protect = i->conf.protect;
	out->n_addresses = i->conf.n_addresses;
	memcpy(out->addresses, i->conf.addresses, sizeof(out->addresses));
	out->keyed = i->conf.keyed;
	out->key = i->conf.key;
	out->checksum = i->conf.checksum;
	out->mtu = (uint16_t)i->mtu;
	out->local = i->conf.local;
	out->hub = i->conf.hub;
	out->index = (uint32_t)i->index;
	out->up = i->up;
	out->blob = rbuf_of(i->blob.b, i->blob.len);
	if (path_interface_stat(g->path, i->id, &s) < 0)
		return;
	out->rx_packets = s.rx_packets;
	out->rx_bytes = s.rx_bytes;
	out->tx_packets = s.tx_packets;
	out->tx_bytes = s.tx_bytes;
}

/* The interface that was made next after the one with this serial. */
static struct gre_iface *
iface_after(struct gre *g, uint64_t serial)
{
	struct gre_iface *best = NULL, *i;

	for (i = g->ifaces + 1; i < g->ifaces + PATH_INTERFACES; i++)
		if (i->id != 0 && i->serial > serial &&
		    (best == NULL || i->serial < best->serial))
			best = i;
	return best;
}

void
gre_page_interfaces(struct gre *g, const struct page *p,
    struct gre_interfaces *out)
{
	uint64_t at = p->after;
	struct gre_iface *i;

	memset(out, 0, sizeof(*out));
	out->generation = g->generation;
	while ((i = iface_after(g, at)) != NULL) {
		if (out->n_items == sizeof(out->items) /
		    sizeof(out->items[0])) {
			out->next = at;
			return;
		}
		at = i->serial;
		if (owner_wanted(p, i->conf.owner) &&
		    iface_wanted(g, p, i->id))
			interface_item(g, i, &out->items[out->n_items++]);
	}
}

static void
peer_item(struct gre *g, const struct gre_peer_entry *e,
    struct gre_peer *out)
{
	struct path_peer_stat s;

	memset(out, 0, sizeof(*out));
	out->peer = e->number;
	(void)memccpy(out->owner, gre_owner(e->kept), '\0',
	    sizeof(out->owner) - 1);
	out->encap = e->conf.encap;
	out->remote = e->conf.remote;
	out->local = e->conf.local;
	(void)memccpy(out->name, gre_name(e->kept), '\0',
	    sizeof(out->name) - 1);
	out->keepalive = e->conf.keepalive;
	out->rate = e->conf.rate;
	out->blob = gre_blob(e->kept);
	if (path_peer_stat(g->path, e->number, &s) < 0)
		return;
	out->remote = s.remote;
	if (s.local.addr.len != 0)
		out->local = s.local;
	out->last_in = s.last_in;
	out->last_out = s.last_out;
	out->mtu = s.mtu;
	out->mtu_how = s.how;
	out->searching = s.searching;
	out->inner_mtu = s.inner_mtu;
	out->rx_packets = s.rx_packets;
	out->rx_bytes = s.rx_bytes;
	out->tx_packets = s.tx_packets;
	out->tx_bytes = s.tx_bytes;
	out->drops = s.drops;
	out->sas = (uint8_t)(s.sas > 255 ? 255 : s.sas);
}

/* A page while it is filled. */
struct fill {
	struct gre		*g;
	const struct page	*page;
	uint64_t		 at;	/* serial of the last that is in */
	size_t			 max, n;	/* items */
	size_t			 used;		/* octets */
	bool			 full;
};

/* Is the entry in this page?  text: octets of its text and blob; id 0: the
 * page is not chosen by interface.  Once one finds no room, the page is full:
 * the next one begins with it. */
static bool
fill_takes(struct fill *f, uint64_t serial, const char *owner, unsigned id,
    size_t text)
{
	if (serial <= f->page->after || !owner_wanted(f->page, owner) ||
	    (id != 0 && !iface_wanted(f->g, f->page, id)))
		return false;
	f->full = f->n == f->max || f->used + ITEM_FIXED + text > PAGE_ROOM;
	if (f->full)
		return false;
	f->used += ITEM_FIXED + text;
	f->n++;
	f->at = serial;
	return true;
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void
gre_page_peers(struct gre *g, const struct page *p, struct gre_peers *out)
{
	struct fill f = { g, p, p->after, COUNT(out->items), 0, 0, false };
	const struct gre_peer_entry *e;

	memset(out, 0, sizeof(*out));
	out->generation = g->generation;
	for (e = g->peers; e != NULL && !f.full; e = e->next)
		if (fill_takes(&f, e->serial, gre_owner(e->kept), 0,
		    strlen(gre_name(e->kept)) + e->kept->blob_len))
			peer_item(g, e, &out->items[out->n_items++]);
	out->next = f.full ? f.at : 0;
}

static void
sa_item(struct gre *g, const struct gre_sa_entry *e, uint64_t now,
    struct gre_sa *out)
{
	struct path_sa_stat s;

	memset(out, 0, sizeof(*out));
	out->spi_in = e->spi_in;
	out->spi_out = e->spi_out;
	out->peer = e->peer->number;
	(void)memccpy(out->owner, gre_owner(e->kept), '\0',
	    sizeof(out->owner) - 1);
	out->mode = e->mode;
	out->cipher = e->cipher;
	copy_name(g, e->id, out->interface);
	out->esn = e->esn;
	out->window = e->window;
	out->queue = e->queue;
	out->blob = gre_blob(e->kept);
	if (path_sa_stat(g->path, e->spi_in, &s) < 0)
		return;
	out->standby = s.standby;
	out->active = s.active;
	out->dying = s.dying;
	out->age = now > s.added ? (now - s.added) / 1000 : 0;
	out->last_in = s.last_in;
	out->sequence_in = s.sequence_in;
	out->sequence_out = s.sequence_out;
	out->rx_packets = s.rx_packets;
	out->rx_bytes = s.rx_bytes;
	out->tx_packets = s.tx_packets;
	out->tx_bytes = s.tx_bytes;
	out->replayed = s.replayed;
	out->forged = s.forged;
}

void
gre_page_sas(struct gre *g, const struct page *p, uint64_t now,
    struct gre_sas *out)
{
	struct fill f = { g, p, p->after, COUNT(out->items), 0, 0, false };
	const struct gre_sa_entry *e;

	memset(out, 0, sizeof(*out));
	out->generation = g->generation;
	for (e = g->sas; e != NULL && !f.full; e = e->all_next)
		if (fill_takes(&f, e->serial, gre_owner(e->kept), 0,
		    e->kept->blob_len))
			sa_item(g, e, now, &out->items[out->n_items++]);
	out->next = f.full ? f.at : 0;
}

static void
map_item(struct gre *g, const struct gre_map_entry *e, uint64_t now,
    struct gre_map_row *out)
{
	memset(out, 0, sizeof(*out));
	out->address = e->key.addr;
	out->peer = e->peer->number;
	copy_name(g, e->key.id, out->interface);
	(void)memccpy(out->owner, gre_owner(e->kept), '\0',
	    sizeof(out->owner) - 1);
	out->multicast = e->multicast;
	if (e->until != 0)	/* rounded up: 0 would mean no end */
		out->hold = e->until <= now ? 1 :
		    (uint32_t)((e->until - now + 999) / 1000);
	out->blob = gre_blob(e->kept);
}

void
gre_page_maps(struct gre *g, const struct page *p, uint64_t now,
    struct gre_maps *out)
{
	struct fill f = { g, p, p->after, COUNT(out->items), 0, 0, false };
	const struct gre_map_entry *e;

	memset(out, 0, sizeof(*out));
	out->generation = g->generation;
	for (e = g->maps; e != NULL && !f.full; e = e->all_next)
		if (fill_takes(&f, e->serial, gre_owner(e->kept), e->key.id,
		    e->kept->blob_len))
			map_item(g, e, now, &out->items[out->n_items++]);
	out->next = f.full ? f.at : 0;
}

static void
route_item(struct gre *g, const struct gre_route_entry *e,
    struct gre_route_row *out)
{
	*out = (struct gre_route_row){ .prefix = e->key.prefix,
	    .via = e->via, .metric = e->key.metric,
	    .peer = e->peer == NULL ? 0 : e->peer->number,
	    .blob = gre_blob(e->kept) };
	copy_name(g, e->key.id, out->interface);
	(void)memccpy(out->owner, gre_owner(e->kept), '\0',
	    sizeof(out->owner) - 1);
}

void
gre_page_routes(struct gre *g, const struct page *p, struct gre_routes *out)
{
	struct fill f = { g, p, p->after, COUNT(out->items), 0, 0, false };
	const struct gre_route_entry *e;

	memset(out, 0, sizeof(*out));
	out->generation = g->generation;
	for (e = g->routes; e != NULL && !f.full; e = e->all_next)
		if (fill_takes(&f, e->serial, gre_owner(e->kept), e->key.id,
		    e->kept->blob_len))
			route_item(g, e, &out->items[out->n_items++]);
	out->next = f.full ? f.at : 0;
}
