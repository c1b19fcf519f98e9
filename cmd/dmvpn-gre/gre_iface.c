#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gre.h"

struct gre_iface *
gre_iface_by_id(struct gre *g, unsigned id)
{
	if (id == 0 || id >= PATH_INTERFACES || g->ifaces[id].id == 0)
		return NULL;
	return &g->ifaces[id];
}

struct gre_iface *
gre_iface_find(struct gre *g, const char *name)
{
	unsigned id;

	for (id = 1; id < PATH_INTERFACES; id++)
		if (g->ifaces[id].id != 0 &&
		    strcmp(g->ifaces[id].conf.interface, name) == 0)
			return &g->ifaces[id];
	return NULL;
}

static int
check(const struct gre_interface_set *m, struct err *e)
{
	struct addr_buf b;
	size_t i;

	if (m->mode == GRE_MODE_DIRECT && m->protect == GRE_PROTECT_NONE)
		return err_set(e, EINVAL, "mode direct is IPsec without GRE: "
		    "it can not be without protection");
	if (m->mode == GRE_MODE_DIRECT && (m->keyed || m->checksum))
		return err_set(e, EINVAL, "mode direct has no GRE header for "
		    "a key or a checksum");
	if (m->mtu != 0 && m->mtu < 576)
		return err_set(e, EINVAL, "MTU of %u, 576 is the least",
		    m->mtu);
	for (i = 0; i < m->n_addresses; i++)
		if (addr_is_unspecified(&m->addresses[i].addr) ||
		    addr_is_multicast(&m->addresses[i].addr) ||
		    addr_is_loopback(&m->addresses[i].addr))
			return err_set(e, EINVAL, "%s can not be an address "
			    "of an interface",
			    prefix_text(&m->addresses[i], &b));
	return 0;
}

static struct gre_iface *
find_or_new(struct gre *g, const struct gre_interface_set *m, struct err *e)
{
	struct gre_iface *i = gre_iface_find(g, m->interface);
	unsigned id;

	if (i != NULL && strcmp(i->conf.owner, m->owner) != 0)
		return err_null(err_set(e, EPERM, "interface %s belongs to "
		    "%s", m->interface, i->conf.owner));
	if (i != NULL)
		return i;
	for (id = 1; id < PATH_INTERFACES; id++)
		if (g->ifaces[id].id == 0)
			return &g->ifaces[id];
	return err_null(err_set(e, ENOSPC, "more than %d interfaces",
	    PATH_INTERFACES - 1));
}

/*
 * An interface identifier that is unique on the tunnel: that of an IPv6
 * tunnel address, or from an IPv4 one as RFC 5214, 6.1 makes it.  The MAC is
 * of no use, all of ours have the same.
 */
static struct prefix
linklocal_of(const struct gre_interface_set *m)
{
	static const uint8_t isatap[] = { 0, 0, 0x5e, 0xfe };
	struct prefix p = { .addr = { .len = 16, .b = { 0xfe, 0x80 } },
	    .len = 64 };
	const struct addr *from = NULL, *a;
	size_t i;

	for (i = 0; i < m->n_addresses; i++) {
		a = &m->addresses[i].addr;
		if (a->len == 16 && addr_is_linklocal(a))
			return (struct prefix){ .len = 0 };
		if (from == NULL || (from->len == 4 && a->len == 16))
			from = a;
	}
	if (from == NULL)
		return (struct prefix){ .len = 0 };
	if (from->len == 16) {
		memcpy(p.addr.b + 8, from->b + 8, 8);
		return p;
	}
	memcpy(p.addr.b + 8, isatap, sizeof(isatap));
	memcpy(p.addr.b + 12, from->b, 4);
	return p;
}

static void
path_settings(const struct gre_iface *i, struct path_interface *p)
{
	size_t k;

	*p = (struct path_interface){
		.id = i->id,
		.mode = i->conf.mode,
		.protect = i->conf.protect,
		.keyed = i->conf.keyed,
		.key = i->conf.key,
		.checksum = i->conf.checksum,
		.hub = i->conf.hub,
		.mtu = (uint16_t)(i->mtu > UINT16_MAX ? UINT16_MAX : i->mtu),
		.local = i->conf.local,
		.n_addresses = i->conf.n_addresses,
		.offload = i->offload,
	};
	for (k = 0; k < i->conf.n_addresses; k++)
		p->addresses[k] = i->conf.addresses[k].addr;
}

static bool
has_prefix(const struct prefix *list, size_t n, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (prefix_equal(&list[i], p))
			return true;
	return false;
}

static void
ask_address(struct gre *g, const struct gre_iface *i, enum priv_op op,
    const struct prefix *p, void *job)
{
	struct priv_request r = gre_request(op, i);

	if (p->addr.len == 0)
		return;
	r.prefix = *p;
	g->ops.kernel(g->ops.arg, &r, job);
}

/* The kernel gets the link, then what changed among its addresses. */
static void
ask_link(struct gre *g, const struct gre_iface *i,
    const struct gre_iface *before, void *job)
{
	struct priv_request r = gre_request(PRIV_LINK_SET, i);
	size_t k;

	r.mtu = i->mtu;
	g->ops.kernel(g->ops.arg, &r, job);
	for (k = 0; k < before->conf.n_addresses; k++)
		if (!has_prefix(i->conf.addresses, i->conf.n_addresses,
		    &before->conf.addresses[k]))
			ask_address(g, i, PRIV_ADDR_DELETE,
			    &before->conf.addresses[k], job);
	for (k = 0; k < i->conf.n_addresses; k++)
		ask_address(g, i, PRIV_ADDR_SET, &i->conf.addresses[k], job);
	if (before->linklocal.len != 0 &&
	    !prefix_equal(&before->linklocal, &i->linklocal))
		ask_address(g, i, PRIV_ADDR_DELETE, &before->linklocal, NULL);
	/* Where IPv6 is switched off this fails, and nobody minds. */
	if (i->linklocal.len != 0)
		ask_address(g, i, PRIV_ADDR_SET, &i->linklocal, NULL);
}

int
gre_iface_set(struct gre *g, const struct gre_interface_set *m, void *job,
    struct err *e)
{
	struct path_interface settings;
	struct gre_iface before, *i;
	struct rbuf blob = m->blob;

	if (check(m, e) < 0 || (i = find_or_new(g, m, e)) == NULL)
		return -1;
	before = *i;
	if (i->id == 0) {
		memset(i, 0, sizeof(*i));
		i->id = (unsigned)(i - g->ifaces);
		i->serial = ++g->serial;
	}
	i->conf = *m;
	i->conf.blob = rbuf_of(NULL, 0);
	i->blob.len = (uint8_t)rbuf_left(&blob);
	rbuf_copy(&blob, i->blob.b, i->blob.len);
	i->linklocal = linklocal_of(m);
	if (m->mtu != 0)
		i->mtu = m->mtu;
	else if (before.id == 0 || before.conf.mtu != 0)
		i->mtu = m->protect == GRE_PROTECT_IPSEC ? GRE_MTU_IPSEC :
		    GRE_MTU_CLEAR;
	path_settings(i, &settings);
	if (path_interface_set(g->path, &settings, e) < 0) {
		*i = before;
		return -1;
	}
	if (before.id == 0) {
		g->generation++;
		gre_peers_deny(g);
	}
	i->mtu_at = GRE_SOON;
	gre_note_iface(g, i, false);
	ask_link(g, i, &before, job);
	return 0;
}

/* Maps, routes and SAs of an interface. */
static void
drop_entries(struct gre *g, const struct gre_iface *i)
{
	struct gre_route_entry *r, *r_tmp;
	struct gre_map_entry *m, *m_tmp;
	struct gre_sa_entry *s, *s_tmp;
	struct err e;

	DL_FOREACH_SAFE2(g->maps, m, m_tmp, all_next)
		if (m->key.id == i->id)
			gre_map_free(g, m, NULL);
	DL_FOREACH_SAFE2(g->routes, r, r_tmp, all_next)
		if (r->key.id == i->id)
			gre_route_free(g, r, NULL);
	DL_FOREACH_SAFE2(g->sas, s, s_tmp, all_next)
		if (s->id == i->id)
			(void)gre_sa_end(g, s->spi_in, 0, &e);
}

static void
forget(struct gre *g, struct gre_iface *i)
{
	struct gre_interface_event ev = { .index = 0, .gone = true,
	    .mtu = (uint16_t)i->mtu };

	memcpy(ev.interface, i->conf.interface, sizeof(ev.interface));
	drop_entries(g, i);
	gre_note_iface(g, i, true);
	path_interface_delete(g->path, i->id);
	memset(i, 0, sizeof(*i));
	g->generation++;
	g->ops.event(g->ops.arg, &gre_interface_event_type, &ev);
}

int
gre_iface_delete(struct gre *g, const char *name, void *job, struct err *e)
{
	struct priv_request r = gre_request(PRIV_LINK_DELETE, NULL);
	struct gre_iface *i = gre_iface_find(g, name);

	if (i == NULL)
		return err_set(e, ENOENT, "there is no interface %s", name);
	memcpy(r.link, i->conf.interface, sizeof(r.link));
	forget(g, i);
	g->ops.kernel(g->ops.arg, &r, job);
	return 0;
}

/* ------------------------------------------------------------ reports */

/* An event, when there is something new in it. */
static void
tell(struct gre *g, struct gre_iface *i)
{
	struct gre_interface_event ev;

	memset(&ev, 0, sizeof(ev));
	memcpy(ev.interface, i->conf.interface, sizeof(ev.interface));
	ev.index = (uint32_t)i->index;
	ev.up = i->up;
	ev.mtu = (uint16_t)i->mtu;
	if (memcmp(&ev, &i->told, sizeof(ev)) == 0)
		return;
	memcpy(&i->told, &ev, sizeof(ev));
	g->ops.event(g->ops.arg, &gre_interface_event_type, &ev);
}

void
gre_link(struct gre *g, const struct priv_report *r, const int *fds,
    size_t n)
{
	struct gre_iface *i = gre_iface_find(g, r->link);
	struct path_interface settings;
	struct err e;
	bool back;
	size_t k;

	if (i == NULL) {		/* deleted since it was asked for */
		for (k = 0; k < n; k++)
			close(fds[k]);
		return;
	}
	back = i->index == 0 && r->index != 0;
	i->index = r->index;
	i->up = r->up;
	i->mtu = r->mtu;
	i->offload = r->offload;
	path_settings(i, &settings);
	if (n > 0 && i->has_taps) {	/* the old device is gone */
		path_interface_delete(g->path, i->id);
		i->multicast_at = GRE_SOON;
	}
	(void)path_interface_set(g->path, &settings, &e);
	if (n > 0)
		i->has_taps = path_interface_taps(g->path, i->id, fds, n,
		    &e) == 0;
	if (back)
		gre_peers_shape(g, i->id);
	tell(g, i);
}

void
gre_link_gone(struct gre *g, const char *name)
{
	struct gre_iface *i = gre_iface_find(g, name);

	if (i == NULL)
		return;
	i->index = 0;
	i->up = false;
	tell(g, i);
}

void
gre_link_failed(struct gre *g, const char *name)
{
	struct gre_iface *i = gre_iface_find(g, name);

	if (i != NULL && i->index == 0)
		forget(g, i);
}
