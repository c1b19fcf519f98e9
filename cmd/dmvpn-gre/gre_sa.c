#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gre.h"

static struct gre_sa_entry *
find(struct gre *g, uint32_t spi_in)
{
	struct gre_sa_entry *o;
	struct chain *c;

	for (c = chains_at(&g->sa_chains, chain_hash(&spi_in,
	    sizeof(spi_in))); c != NULL; c = c->next) {
		o = chain_entry(c, struct gre_sa_entry, chain);
		if (o->spi_in == spi_in)
			return o;
	}
	return NULL;
}

uint32_t
gre_sa_hash(const struct chain *c)
{
	const struct gre_sa_entry *o = chain_entry(c, struct gre_sa_entry,
	    chain);

	return chain_hash(&o->spi_in, sizeof(o->spi_in));
}

/* A key is installed once, also when the packet half died since. */
static int
check_seen(struct gre *g, const uint8_t install[16], struct err *e)
{
	return !path_install_known(g->path, install) ? 0 : err_set(e, EEXIST, "these keys were "
	    "installed before: negotiate new ones");
}

static int
check_interface(struct gre *g, const struct gre_sa_add *m, unsigned *id,
    struct err *e)
{
	const struct gre_iface *i;

	*id = 0;
	if (m->mode == SA_MODE_TRANSPORT)
		return 0;
	if (m->interface[0] == '\0')
		return err_set(e, EINVAL, "tunnel mode needs the interface "
		    "where packets come out");
	if ((i = gre_iface_find(g, m->interface)) == NULL)
		return err_set(e, ENOENT, "there is no interface %s",
		    m->interface);
	if (i->conf.mode != GRE_MODE_DIRECT)
		return err_set(e, EINVAL, "%s is not of mode direct",
		    m->interface);
	*id = i->id;
	return 0;
}

static struct gre_sa_entry *
entry_new(struct gre *g, const struct gre_sa_add *m,
    struct gre_peer_entry *p, unsigned id, struct err *e)
{
	struct gre_sa_entry *o = calloc(1, sizeof(*o));

	if (o == NULL || (o->kept = gre_kept_new(m->owner,
	    m->blob, e)) == NULL) {
		free(o);
		return err_null(err_set(e, ENOMEM, "out of memory"));
	}
	o->spi_in = m->spi_in;
	o->spi_out = m->spi_out;
	o->serial = ++g->serial;
	o->peer = p;
	o->id = id;
	o->mode = m->mode;
	o->cipher = m->cipher;
	o->esn = m->esn;
	o->window = m->window;
	o->queue = m->queue;
	chains_add(&g->sa_chains, &o->chain);
	DL_APPEND2(g->sas, o, all_prev, all_next);
	DL_APPEND(p->sas, o);
	return o;
}

void
gre_sa_free(struct gre *g, struct gre_sa_entry *o)
{
	DL_DELETE(o->peer->sas, o);
	chains_remove(&g->sa_chains, &o->chain);
	DL_DELETE2(g->sas, o, all_prev, all_next);
	gre_kept_release(o->kept);
	free(o);
	g->generation++;
}

int
gre_sa_install(struct gre *g, const struct gre_sa_add *m, struct err *e)
{
	struct gre_peer_entry *p = gre_peer_find(g, m->peer);
	uint8_t install[16];
	struct rbuf in = m->install;
	struct gre_sa_entry *o;
	unsigned id;

	rbuf_copy(&in, install, sizeof(install));
	if (check_seen(g, install, e) < 0)
		return -1;
	if (p == NULL)
		return err_set(e, ENOENT, "there is no peer %u", m->peer);
	if (p->conf.encap == GRE_ENCAP_NONE)
		return err_set(e, EINVAL, "peer %u has encap none", m->peer);
	if (check_interface(g, m, &id, e) < 0)
		return -1;
	if (find(g, m->spi_in) != NULL)
		return err_set(e, EEXIST, "SPI %08x is in use", m->spi_in);
	if ((o = entry_new(g, m, p, id, e)) == NULL)
		return -1;
	if (path_sa_add(g->path, m, id, e) < 0) {
		gre_sa_free(g, o);
		return -1;
	}
	gre_note_seen(g, install);
	g->generation++;
	gre_peer_changed(g, m->peer);
	return 0;
}

int
gre_sa_end(struct gre *g, uint32_t spi_in, uint32_t grace, struct err *e)
{
	struct gre_sa_entry *o = find(g, spi_in);
	uint16_t peer;

	if (o == NULL)
		return err_set(e, ENOENT, "there is no SA %08x", spi_in);
	peer = o->peer->number;
	if (path_sa_delete(g->path, spi_in, grace, e) < 0)
		return -1;
	if (grace == 0)
		gre_sa_free(g, o);
	g->generation++;
	gre_peer_changed(g, peer);
	return 0;
}

void
gre_sa_gone(struct gre *g, uint32_t spi_in)
{
	struct gre_sa_entry *o = find(g, spi_in);

	if (o != NULL)
		gre_sa_free(g, o);
}
