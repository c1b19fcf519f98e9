#include <errno.h>
#include <string.h>

#include "serve.h"
#include "sys/log.h"

#define BATCH 64

/* Events of the packet threads become events of gre.sock. */

typedef void event_fn(struct packet *p, const struct path_event *ev);

static void
copy_interface(struct packet *p, unsigned id, char to[16])
{
	const struct gre_iface *i = gre_iface_by_id(&p->gre, id);

	if (i != NULL)
		memcpy(to, i->conf.interface, 16);
}

static void
on_ike(struct packet *p, const struct path_event *ev)
{
	const struct gre_ike m = { .remote = ev->remote,
	    .local = ev->local.addr, .data = ev->data };

	server_event(p->server, &gre_ike_type, &m);
}

static void
on_nhrp(struct packet *p, const struct path_event *ev)
{
	struct gre_nhrp m = { .peer = ev->peer, .remote = ev->remote,
	    .data = ev->data };

	copy_interface(p, ev->interface, m.interface);
	if (m.interface[0] != '\0')
		server_event(p->server, &gre_nhrp_type, &m);
}

static void
on_resolve(struct packet *p, const struct path_event *ev)
{
	struct gre_resolve m = { .address = ev->address };

	copy_interface(p, ev->interface, m.interface);
	if (m.interface[0] != '\0')
		server_event(p->server, &gre_resolve_type, &m);
}

static void
on_hairpin(struct packet *p, const struct path_event *ev)
{
	struct gre_hairpin m = { .from = ev->peer, .to = ev->to,
	    .packet = ev->data };

	copy_interface(p, ev->interface, m.interface);
	if (m.interface[0] != '\0' && ev->peer != 0 && ev->to != 0)
		server_event(p->server, &gre_hairpin_type, &m);
}

static void
on_acquire(struct packet *p, const struct path_event *ev)
{
	const struct gre_acquire m = { .peer = ev->peer };

	server_event(p->server, &gre_acquire_type, &m);
}

static void
on_moved(struct packet *p, const struct path_event *ev)
{
	const struct gre_peer_moved m = { .peer = ev->peer,
	    .remote = ev->remote };
	struct gre_peer_entry *o = gre_peer_find(&p->gre, ev->peer);

	if (o != NULL) {
		o->conf.remote = ev->remote;
		gre_note_peer(&p->gre, o, false);
	}
	server_event(p->server, &gre_peer_moved_type, &m);
}

static void
on_sa_first(struct packet *p, const struct path_event *ev)
{
	const struct gre_sa_first m = { .spi_in = ev->spi, .peer = ev->peer };

	server_event(p->server, &gre_sa_first_type, &m);
}

static void
on_sa_limit(struct packet *p, const struct path_event *ev)
{
	const struct gre_sa_limit m = { .spi_in = ev->spi, .peer = ev->peer,
	    .hard = ev->hard };

	server_event(p->server, &gre_sa_limit_type, &m);
}

static void
on_sa_gone(struct packet *p, const struct path_event *ev)
{
	gre_sa_gone(&p->gre, ev->spi);
	gre_peer_changed(&p->gre, ev->peer);
}

static void
on_invalid_spi(struct packet *p, const struct path_event *ev)
{
	const struct gre_invalid_spi m = { .remote = ev->remote,
	    .spi = ev->spi };

	server_event(p->server, &gre_invalid_spi_type, &m);
}

static void
on_mtu(struct packet *p, const struct path_event *ev)
{
	gre_peer_changed(&p->gre, ev->peer);
	serve_poke(p);
}

static event_fn *const handlers[] = {
	[PATH_IKE] = on_ike,
	[PATH_NHRP] = on_nhrp,
	[PATH_RESOLVE] = on_resolve,
	[PATH_HAIRPIN] = on_hairpin,
	[PATH_ACQUIRE] = on_acquire,
	[PATH_MOVED] = on_moved,
	[PATH_SA_FIRST] = on_sa_first,
	[PATH_SA_LIMIT] = on_sa_limit,
	[PATH_SA_GONE] = on_sa_gone,
	[PATH_INVALID_SPI] = on_invalid_spi,
	[PATH_MTU] = on_mtu,
};

void
serve_events(void *arg)
{
	struct packet *p = arg;
	struct path_event ev;
	int i;

	for (i = 0; i < BATCH && path_event(p->path, &ev) > 0; i++)
		handlers[ev.type](p, &ev);
	serve_path_at(p, path_due(p->path));
}
