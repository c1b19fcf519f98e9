#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

/*
 * Notes: what was stated, as messages of the contract, kept by the other
 * half.  A map's note begins with the time when it ends (ms of
 * CLOCK_BOOTTIME).  Keys of SAs are never among them; only that an install
 * was seen.
 */
#define KIND_IFACE	0	/* they come back in this order */
#define KIND_PEER	1
#define KIND_MAP	2
#define KIND_ROUTE	3

static struct wbuf
key_begin(struct priv_key *key, uint8_t kind)
{
	memset(key, 0, sizeof(*key));
	key->kind = kind;
	return wbuf_of(key->b, sizeof(key->b));
}

static void
key_addr(struct wbuf *w, const struct addr *a)
{
	wbuf_u8(w, a->len);
	wbuf_put(w, a->b, a->len);
}

static void
key_name(struct gre *g, struct wbuf *w, unsigned id)
{
	const struct gre_iface *i = gre_iface_by_id(g, id);

	if (i != NULL)
		wbuf_put(w, i->conf.interface, strlen(i->conf.interface));
	wbuf_u8(w, 0);
}

static void
put(struct gre *g, const struct priv_key *key, const struct msg_type *t,
    const void *m, uint64_t until)
{
	uint8_t b[PRIV_NOTE_MAX];
	struct wbuf w = wbuf_of(b, sizeof(b));
	struct err e;

	if (g->replaying)
		return;
	wbuf_be64(&w, until);
	if (msg_put(&w, t, m, &e) == 0 && wbuf_ok(&w))
		g->ops.note(g->ops.arg, key, b, w.len);
}

static void
gone(struct gre *g, const struct priv_key *key)
{
	g->ops.note(g->ops.arg, key, NULL, 0);
}

void
gre_note_iface(struct gre *g, const struct gre_iface *i, bool is_gone)
{
	struct gre_interface_set m = i->conf;
	struct priv_key key;
	struct wbuf w = key_begin(&key, KIND_IFACE);

	key_name(g, &w, i->id);
	m.blob = rbuf_of(i->blob.b, i->blob.len);
	if (is_gone)
		gone(g, &key);
	else
		put(g, &key, &gre_interface_set_type, &m, 0);
}

void
gre_note_peer(struct gre *g, const struct gre_peer_entry *p, bool is_gone)
{
	struct gre_peer_set m;
	struct priv_key key;
	struct wbuf w = key_begin(&key, KIND_PEER);

	wbuf_be16(&w, p->number);
	if (is_gone) {
		gone(g, &key);
		return;
	}
	gre_peer_conf(p, &m);
	put(g, &key, &gre_peer_set_type, &m, 0);
}

void
gre_note_map(struct gre *g, const struct gre_map_entry *o, bool is_gone)
{
	const struct gre_iface *i = gre_iface_by_id(g, o->key.id);
	struct gre_map_row m = { .address = o->key.addr,
	    .multicast = o->multicast, .blob = gre_blob(o->kept) };
	struct priv_key key;
	struct wbuf w = key_begin(&key, KIND_MAP);

	if (i == NULL)
		return;
	key_name(g, &w, o->key.id);
	key_addr(&w, &o->key.addr);
	if (is_gone) {
		gone(g, &key);
		return;
	}
	m.peer = o->peer->number;
	memcpy(m.interface, i->conf.interface, sizeof(m.interface));
	(void)memccpy(m.owner, gre_owner(o->kept), '\0', sizeof(m.owner) - 1);
	put(g, &key, &gre_map_row_type, &m, o->until);
}

void
gre_note_route(struct gre *g, const struct gre_route_entry *o, bool is_gone)
{
	const struct gre_iface *i = gre_iface_by_id(g, o->key.id);
	struct gre_route_row m = { .prefix = o->key.prefix, .via = o->via,
	    .metric = o->key.metric, .blob = gre_blob(o->kept) };
	struct priv_key key;
	struct wbuf w = key_begin(&key, KIND_ROUTE);

	if (i == NULL)
		return;
	key_name(g, &w, o->key.id);
	key_addr(&w, &o->key.prefix.addr);
	wbuf_u8(&w, o->key.prefix.len);
	wbuf_be32(&w, o->key.metric);
	if (is_gone) {
		gone(g, &key);
		return;
	}
	m.peer = o->peer == NULL ? 0 : o->peer->number;
	memcpy(m.interface, i->conf.interface, sizeof(m.interface));
	(void)memccpy(m.owner, gre_owner(o->kept), '\0', sizeof(m.owner) - 1);
	put(g, &key, &gre_route_row_type, &m, 0);
}

void
gre_note_seen(struct gre *g, const uint8_t install[16])
{
	struct priv_key key;
	struct wbuf w = key_begin(&key, PRIV_KIND_SEEN);

	wbuf_put(&w, install, 16);
	if (!g->replaying)
		g->ops.note(g->ops.arg, &key, "", 0);
}

/* ------------------------------------------------------------- replay */

static int
replay_iface(struct gre *g, struct rbuf data, struct err *e)
{
	struct gre_interface_set m;

	if (msg_get(data, &gre_interface_set_type, &m, e) < 0)
		return -1;
	return gre_iface_set(g, &m, NULL, e);
}

static int
replay_peer(struct gre *g, struct rbuf data, struct err *e)
{
	struct gre_peer_set m;
	uint16_t number;

	if (msg_get(data, &gre_peer_set_type, &m, e) < 0)
		return -1;
	return gre_peer_state(g, &m, &number, e);
}

static int
replay_map(struct gre *g, struct rbuf data, uint64_t until, uint64_t now,
    struct err *e)
{
	struct gre_map_set set = { .n_items = 1 };
	struct gre_map_entry *o;
	struct gre_map_row m;

	if (msg_get(data, &gre_map_row_type, &m, e) < 0)
		return -1;
	memcpy(set.owner, m.owner, sizeof(set.owner));
	memcpy(set.interface, m.interface, sizeof(set.interface));
	set.items[0] = (struct gre_map){ .address = m.address,
	    .peer = m.peer, .multicast = m.multicast, .blob = m.blob };
	if (gre_maps_state(g, &set, now, NULL, e) < 0)
		return -1;
	o = gre_map_find(g, gre_iface_find(g, m.interface)->id, &m.address);
	gre_map_until(g, o, until);
	return 0;
}

static int
replay_route(struct gre *g, struct rbuf data, struct err *e)
{
	struct gre_route_set set = { .n_items = 1 };
	struct gre_route_row m;

	if (msg_get(data, &gre_route_row_type, &m, e) < 0)
		return -1;
	memcpy(set.owner, m.owner, sizeof(set.owner));
	memcpy(set.interface, m.interface, sizeof(set.interface));
	set.items[0] = (struct gre_route){ .prefix = m.prefix, .via = m.via,
	    .peer = m.peer, .metric = m.metric, .blob = m.blob };
	return gre_routes_state(g, &set, NULL, e);
}

static int
replay(struct gre *g, const struct priv_key *key, struct rbuf data,
    uint64_t now, struct err *e)
{
	uint64_t until;

	if (key->kind == PRIV_KIND_SEEN)
		return path_install_note(g->path, key->b);
	until = rbuf_be64(&data);
	switch (key->kind) {
	case KIND_IFACE:
		return replay_iface(g, data, e);
	case KIND_PEER:
		return replay_peer(g, data, e);
	case KIND_MAP:
		return replay_map(g, data, until, now, e);
	case KIND_ROUTE:
		return replay_route(g, data, e);
	default:
		return err_set(e, EBADMSG, "note of an unknown kind");
	}
}

int
gre_note_replay(struct gre *g, const struct priv_key *key, struct rbuf data,
    uint64_t now, struct err *e)
{
	int rc;

	err_clear(e);
	g->replaying = true;
	rc = replay(g, key, data, now, e);
	g->replaying = false;
	return rc;
}
