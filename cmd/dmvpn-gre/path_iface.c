#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path_int.h"

struct iface *
path_iface_find(const struct path *p, unsigned id)
{
	return id < PATH_INTERFACES ? get(&p->iface[id]) : NULL;
}

static void
conf_free(struct path_retire *r)
{
	free(path_entry(r, struct iface_conf, retire));
}

static void
group_free(struct path_retire *r)
{
	free(path_entry(r, struct iface_group, retire));
}

static void
iface_free(struct path_retire *r)
{
	struct iface *i = path_entry(r, struct iface, retire);

	free(get(&i->conf));
	free(get(&i->group));
	free(i);
}

/* Could packets from the wire be meant for either? */
static bool
alike(const struct path_interface *a, const struct path_interface *b)
{
	if (a->mode != GRE_MODE_MGRE || b->mode != GRE_MODE_MGRE ||
	    a->protect != b->protect || a->keyed != b->keyed ||
	    (a->keyed && a->key != b->key))
		return false;
	return a->protect == GRE_PROTECT_IPSEC || a->local.len == 0 ||
	    b->local.len == 0 || addr_equal(&a->local, &b->local);
}

static int
check(const struct path *p, const struct path_interface *c, struct err *e)
{
	const struct iface *other;
	unsigned i;

	if (c->id == 0 || c->id >= PATH_INTERFACES)
		return err_set(e, EINVAL, "interface id %u, 1..%u are "
		    "possible", c->id, PATH_INTERFACES - 1);
	for (i = 1; i < PATH_INTERFACES; i++) {
		other = path_iface_find(p, i);
		if (i != c->id && other != NULL &&
		    alike(c, &get(&other->conf)->c))
			return err_set(e, EADDRINUSE, "another interface has "
			    "the same protection, key and local address");
	}
	return 0;
}

int
path_interface_set(struct path *p, const struct path_interface *c,
    struct err *e)
{
	struct iface_conf *conf, *old;
	struct iface *i;

	if (check(p, c, e) < 0)
		return -1;
	if ((conf = calloc(1, sizeof(*conf))) == NULL)
		return err_set(e, ENOMEM, "out of memory");
	conf->c = *c;
	if ((i = path_iface_find(p, c->id)) != NULL) {
		old = get(&i->conf);
		put(&i->conf, conf);
		path_epoch_retire(&p->epoch, &old->retire, conf_free);
		path_epoch_collect(&p->epoch);
		if (c->offload != 0)	/* its queues were opened since */
			feature_tap(p, c->offload);
		return 0;
	}
	if ((i = calloc(1, sizeof(*i))) == NULL) {
		free(conf);
		return err_set(e, ENOMEM, "out of memory");
	}
	i->id = c->id;
	put(&i->conf, conf);
	put(&p->iface[c->id], i);
	if (get(&p->iface_top) <= c->id)
		put(&p->iface_top, c->id + 1);
	feature_tap(p, c->offload);
	return 0;
}

int
path_interface_taps(struct path *p, unsigned id, const int *fds, size_t n,
    struct err *e)
{
	struct iface *i = path_iface_find(p, id);
	struct port port = { .kind = PORT_TAP, .iface = i };
	unsigned have = i != NULL ? get(&i->n_taps) : 0;
	size_t k;
	int rc = 0;

	if (i == NULL)
		rc = err_set(e, ENOENT, "no interface %u", id);
	else if (have + n > PATH_QUEUES)
		rc = err_set(e, E2BIG, "%zu queues, %u are possible",
		    have + n, PATH_QUEUES);
	for (k = 0; k < n; k++) {
		port.fd = fds[k];
		port.thread = share_sender(p, (unsigned)(have + k));
		if (rc == 0 && fcntl(fds[k], F_SETFL, O_NONBLOCK) < 0)
			rc = err_sys(e, "TAP queue");
		if (rc == 0)
			filter_forget_tap(fds[k]);
		if (rc == 0)
			rc = path_port_add(p, &port, e);
		if (rc < 0) {
			close(fds[k]);
			continue;
		}
		put(&i->tap[have + k], fds[k]);
		put(&i->n_taps, (unsigned)(have + k + 1));
	}
	return rc;
}

void
path_interface_delete(struct path *p, unsigned id)
{
	struct iface *i = path_iface_find(p, id);

	if (i == NULL)
		return;
	put(&p->iface[id], NULL);
	path_port_remove(p, PORT_TAP, PATH_UDP4, i);
	path_epoch_retire(&p->epoch, &i->retire, iface_free);
	path_epoch_wait(&p->epoch, 100);
}

void
path_iface_free_all(struct path *p)
{
	unsigned i;

	for (i = 1; i < PATH_INTERFACES; i++)
		path_interface_delete(p, i);
}

int
path_interface_stat(const struct path *p, unsigned id,
    struct path_interface_stat *s)
{
	const struct iface *i = path_iface_find(p, id);

	if (i == NULL)
		return -1;
	s->rx_packets = counted(&i->rx_packets);
	s->rx_bytes = counted(&i->rx_bytes);
	s->tx_packets = counted(&i->tx_packets);
	s->tx_bytes = counted(&i->tx_bytes);
	return 0;
}

int
path_multicast_set(struct path *p, unsigned id, const uint16_t *peers,
    size_t n, struct err *e)
{
	struct iface *i = path_iface_find(p, id);
	struct iface_group *g = NULL, *old;

	if (i == NULL)
		return err_set(e, ENOENT, "no interface %u", id);
	if (n > PATH_MULTICAST)
		return err_set(e, E2BIG, "%zu peers for multicast", n);
	if (n > 0) {
		g = malloc(sizeof(*g) + n * sizeof(peers[0]));
		if (g == NULL)
			return err_set(e, ENOMEM, "out of memory");
		g->n = n;
		memcpy(g->peer, peers, n * sizeof(peers[0]));
	}
	old = get(&i->group);
	put(&i->group, g);
	if (old != NULL)
		path_epoch_retire(&p->epoch, &old->retire, group_free);
	path_epoch_collect(&p->epoch);
	return 0;
}
