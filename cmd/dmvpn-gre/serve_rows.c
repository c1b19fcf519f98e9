#include <errno.h>
#include <string.h>

#include "serve.h"

/* Handlers of gre.sock, one a request of the contract. */

static void
iface_set(void *arg, const struct call *c, const void *in)
{
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_iface_set(&p->gre, in, j, &e), &e);
}

static void
iface_delete(void *arg, const struct call *c, const void *in)
{
	const struct gre_interface_delete *m = in;
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_iface_delete(&p->gre, m->interface, j,
		    &e), &e);
}

static void
peer_set(void *arg, const struct call *c, const void *in)
{
	struct gre_peer_set_reply out;
	struct packet *p = arg;
	struct err e;

	if (gre_peer_state(&p->gre, in, &out.peer, &e) < 0) {
		serve_refuse(c, &e);
		return;
	}
	call_reply(c, &gre_peer_set_reply_type, &out);
	serve_poke(p);
}

/* The answer to a request that is done at once. */
static void
answer(struct packet *p, const struct call *c, int rc, const struct err *e)
{
	if (rc < 0)
		serve_refuse(c, e);
	else
		call_ok(c);
	serve_poke(p);
}

static void
peer_delete(void *arg, const struct call *c, const void *in)
{
	const struct gre_peer_delete *m = in;
	struct packet *p = arg;
	struct err e;

	answer(p, c, gre_peer_remove(&p->gre, m->peer, &e), &e);
}

static void
sa_add(void *arg, const struct call *c, const void *in)
{
	struct packet *p = arg;
	struct err e;

	answer(p, c, gre_sa_install(&p->gre, in, &e), &e);
}

static void
sa_use(void *arg, const struct call *c, const void *in)
{
	const struct gre_sa_use *m = in;
	struct packet *p = arg;
	struct err e;

	answer(p, c, path_sa_use(p->path, m->spi_in, &e), &e);
}

static void
sa_delete(void *arg, const struct call *c, const void *in)
{
	const struct gre_sa_delete *m = in;
	struct packet *p = arg;
	struct err e;

	answer(p, c, gre_sa_end(&p->gre, m->spi_in, m->grace, &e), &e);
}

static void
map_set(void *arg, const struct call *c, const void *in)
{
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_maps_state(&p->gre, in,
		    loop_now(p->loop), j, &e), &e);
}

static void
map_delete(void *arg, const struct call *c, const void *in)
{
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_maps_remove(&p->gre, in, j, &e), &e);
}

static void
route_set(void *arg, const struct call *c, const void *in)
{
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_routes_state(&p->gre, in, j, &e), &e);
}

static void
route_delete(void *arg, const struct call *c, const void *in)
{
	struct job *j = job_new(c);
	struct packet *p = arg;
	struct err e;

	if (j != NULL)
		job_close(p, j, gre_routes_remove(&p->gre, in, j, &e), &e);
}

static void
lookup(void *arg, const struct call *c, const void *in)
{
	const struct gre_lookup *m = in;

	serve_lookup(arg, c, &m->address);
}

static void
nhrp_send(void *arg, const struct call *c, const void *in)
{
	const struct gre_nhrp_send *m = in;
	struct packet *p = arg;
	const struct gre_iface *i = gre_iface_find(&p->gre, m->interface);
	struct err e;

	if (i == NULL) {
		err_set(&e, ENOENT, "there is no interface %s",
		    m->interface);
		serve_refuse(c, &e);
		return;
	}
	if (path_nhrp_send(p->path, i->id, m->peer, m->data, &e) < 0)
		serve_refuse(c, &e);
	else
		call_ok(c);
}

static void
ike_send(void *arg, const struct call *c, const void *in)
{
	const struct gre_ike_send *m = in;
	struct packet *p = arg;
	struct err e;

	if (path_ike_send(p->path, &m->remote, &m->local, m->data, &e) < 0)
		serve_refuse(c, &e);
	else
		call_ok(c);
}

static void
ike_spi_set(void *arg, const struct call *c, const void *in)
{
	const struct gre_ike_spi_set *m = in;
	struct packet *p = arg;
	struct err e;

	if (path_ike_spi_add(p->path, m->spi, &e) < 0)
		serve_refuse(c, &e);
	else
		call_ok(c);
}

static void
ike_spi_delete(void *arg, const struct call *c, const void *in)
{
	const struct gre_ike_spi_delete *m = in;
	struct packet *p = arg;

	path_ike_spi_delete(p->path, m->spi);
	call_ok(c);
}

static void
spi_expect(void *arg, const struct call *c, const void *in)
{
	const struct gre_spi_expect *m = in;
	struct packet *p = arg;
	struct err e;

	if (path_spi_expect(p->path, m->spi_in, &e) < 0)
		serve_refuse(c, &e);
	else
		call_ok(c);
}

static void
put_drops(const struct path *path, struct gre_status_reply *out)
{
	uint64_t counts[PATH_DROP_N];
	struct gre_drop *d;
	struct name_buf b;
	uint32_t i;

	path_drops(path, counts);
	for (i = 0; i < PATH_DROP_N; i++) {
		if (counts[i] == 0)
			continue;
		d = &out->drops[out->n_drops++];
		d->count = counts[i];
		(void)memccpy(d->reason, name_text(path_drop_names, i, &b),
		    '\0', sizeof(d->reason) - 1);
	}
}

static void
put_features(const struct path *path, struct gre_status_reply *out)
{
	struct path_feature f[PATH_FEATURE_N];
	struct gre_feature *o;
	struct name_buf b;
	uint32_t i;

	path_features(path, f);
	for (i = 0; i < PATH_FEATURE_N; i++) {
		o = &out->features[out->n_features++];
		o->on = f[i].on;
		(void)memccpy(o->name, name_text(path_feature_names, i, &b),
		    '\0', sizeof(o->name) - 1);
		if (!f[i].on)
			(void)memccpy(o->why, f[i].why, '\0',
			    sizeof(o->why) - 1);
	}
}

static void
status(void *arg, const struct call *c, const void *in)
{
	static struct gre_status_reply out;
	struct packet *p = arg;

	(void)in;
	memset(&out, 0, sizeof(out));
	put_drops(p->path, &out);
	put_features(p->path, &out);
	out.threads = (uint8_t)path_threads(p->path);
	out.senders = (uint8_t)path_senders(out.threads);
	out.peers = (uint32_t)p->gre.n_peers;
	out.sas = p->gre.sa_chains.n;
	out.generation = p->gre.generation;
	call_reply(c, &gre_status_reply_type, &out);
}

typedef void page_fn(struct gre *g, const struct page *p, uint64_t now,
    void *out);

static void
page_interfaces(struct gre *g, const struct page *p, uint64_t now, void *out)
{
	(void)now;
	gre_page_interfaces(g, p, out);
}

static void
page_peers(struct gre *g, const struct page *p, uint64_t now, void *out)
{
	(void)now;
	gre_page_peers(g, p, out);
}

static void
page_sas(struct gre *g, const struct page *p, uint64_t now, void *out)
{
	gre_page_sas(g, p, now, out);
}

static void
page_maps(struct gre *g, const struct page *p, uint64_t now, void *out)
{
	gre_page_maps(g, p, now, out);
}

static void
page_routes(struct gre *g, const struct page *p, uint64_t now, void *out)
{
	(void)now;
	gre_page_routes(g, p, out);
}

static const struct {
	const struct msg_type	*type;
	page_fn			*fn;
} pages[] = {
	{ &gre_interfaces_type, page_interfaces },
	{ &gre_peers_type, page_peers },
	{ &gre_sas_type, page_sas },
	{ &gre_maps_type, page_maps },
	{ &gre_routes_type, page_routes },
};

static void
page(void *arg, const struct call *c, const void *in)
{
	static union {
		struct gre_interfaces	interfaces;
		struct gre_peers	peers;
		struct gre_sas		sas;
		struct gre_maps		maps;
		struct gre_routes	routes;
	} out;
	const struct page *m = in;
	struct packet *p = arg;
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strcmp(pages[i].type->name, m->of) == 0) {
			pages[i].fn(&p->gre, m, loop_now(p->loop), &out);
			call_reply(c, pages[i].type, &out);
			return;
		}
	err_set(&e, EINVAL, "no snapshot is called %s", m->of);
	serve_refuse(c, &e);
}

static void
end(void *arg, const struct call *c, const void *in)
{
	const struct stop *m = in;

	call_ok(c);
	serve_tell(arg, PRIV_STOP, m->keep);
}

#define SECRET true
const struct serve_row serve_rows[] = {
	{ &gre_interface_set_type, iface_set, false },
	{ &gre_interface_delete_type, iface_delete, false },
	{ &gre_peer_set_type, peer_set, false },
	{ &gre_peer_delete_type, peer_delete, false },
	{ &gre_sa_add_type, sa_add, SECRET },
	{ &gre_sa_use_type, sa_use, false },
	{ &gre_sa_delete_type, sa_delete, false },
	{ &gre_map_set_type, map_set, false },
	{ &gre_map_delete_type, map_delete, false },
	{ &gre_route_set_type, route_set, false },
	{ &gre_route_delete_type, route_delete, false },
	{ &gre_lookup_type, lookup, false },
	{ &gre_nhrp_send_type, nhrp_send, false },
	{ &gre_ike_send_type, ike_send, false },
	{ &gre_ike_spi_set_type, ike_spi_set, false },
	{ &gre_ike_spi_delete_type, ike_spi_delete, false },
	{ &gre_spi_expect_type, spi_expect, false },
	{ &gre_status_type, status, false },
	{ &page_type, page, false },
	{ &stop_type, end, false },
};
const size_t serve_n_rows = sizeof(serve_rows) / sizeof(serve_rows[0]);
