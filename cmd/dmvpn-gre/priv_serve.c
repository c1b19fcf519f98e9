#include "priv_serve.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sys/loop.h"

#define MTU_MIN 68
#define MTU_MAX 65535
#define MTU_KEPT 1000	/* ms */

typedef int serve_fn(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e);

static bool
link_name_ok(const char name[16])
{
	size_t i;

	if (name[0] == '\0' || name[0] == '.' || memchr(name, '\0', 16) == NULL)
		return false;
	for (i = 0; name[i] != '\0'; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/' ||
		    name[i] == ':' || name[i] == '%')	/* "%d": a pattern */
			return false;
	return true;
}

static bool
prefix_ok(const struct prefix *p)
{
	return (p->addr.len == 4 || p->addr.len == 16) &&
	    p->len <= p->addr.len * 8;
}

static int
serve_addr(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	(void)out;
	if (r->op == PRIV_ADDR_SET)
		return priv_entry_set(k, l, PRIV_ADDR, r, e);
	return priv_entry_delete(k, l, PRIV_ADDR, r, e);
}

static int
serve_neigh(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	(void)out;
	if (r->prefix.len != r->prefix.addr.len * 8)
		return err_set(e, EINVAL, "a neighbour is one address");
	if (r->op == PRIV_NEIGH_DELETE)
		return priv_entry_delete(k, l, PRIV_NEIGH, r, e);
	if (r->peer == 0 || r->peer >= 0xfffe)
		return err_set(e, EINVAL, "a neighbour needs a peer");
	return priv_entry_set(k, l, PRIV_NEIGH, r, e);
}

static int
serve_route(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	(void)out;
	if (r->via.len != 0 && r->via.len != 4 && r->via.len != 16)
		return err_set(e, EINVAL, "a next hop is an address");
	if (r->op == PRIV_ROUTE_DELETE)
		return priv_entry_delete(k, l, PRIV_ROUTE, r, e);
	return priv_entry_set(k, l, PRIV_ROUTE, r, e);
}

static int
serve_shape(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	(void)out;
	if (l->index == 0)
		return err_set(e, ENODEV, "interface %s is gone", l->name);
	if (r->op == PRIV_SHAPE_DELETE)
		return l->shaped ? netlink_shape_delete(k->nl, l->index,
		    r->peer, e) : 0;
	if (!l->shaped && netlink_shape_open(k->nl, l->index, e) < 0)
		return -1;
	l->shaped = true;
	return netlink_shape_set(k->nl, l->index, r->peer, r->rate,
	    r->overhead, e);
}

static int
serve_lookup(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	struct netlink_route route;
	struct netlink_link link;

	(void)l;
	if (netlink_route_get(k->nl, &r->prefix.addr, &route, e) < 0)
		return -1;
	out->prefix = route.prefix;
	out->via = route.via;
	out->index = route.index;
	out->local = route.type == RTN_LOCAL;
	if (route.type != RTN_LOCAL && route.type != RTN_UNICAST)
		return err_set(e, EHOSTUNREACH, "the route refuses it");
	if (route.index > 0 && netlink_link_by_index(k->nl, route.index,
	    &link, e) == 0)
		return text_copy(out->link, sizeof(out->link), link.name, e);
	return 0;
}

static int
serve_path_mtu(struct priv_kernel *k, struct priv_link *l,
    const struct priv_request *r, struct priv_report *out, struct err *e)
{
	struct priv_mtu *m = &k->mtu;
	struct netlink_link link;

	(void)l;
	if (netlink_route_out(k->nl, &r->prefix.addr, &out->mtu,
	    &out->index, e) < 0)
		return -1;
	if (out->mtu != 0)
		return 0;
	if (m->index != out->index || m->until <= clock_ms()) {
		if (netlink_link_by_index(k->nl, out->index, &link, e) < 0)
			return -1;
		*m = (struct priv_mtu){ out->index, link.mtu,
		    clock_ms() + MTU_KEPT };
	}
	out->mtu = m->mtu;
	return 0;
}

#define NEEDS_LINK	1	/* one that was set before */
#define NEEDS_PREFIX	2

static const struct {
	uint32_t	op;
	unsigned	needs;
	serve_fn	*fn;
} rows[] = {
	{ PRIV_ADDR_SET, NEEDS_LINK | NEEDS_PREFIX, serve_addr },
	{ PRIV_ADDR_DELETE, NEEDS_LINK | NEEDS_PREFIX, serve_addr },
	{ PRIV_NEIGH_SET, NEEDS_LINK | NEEDS_PREFIX, serve_neigh },
	{ PRIV_NEIGH_DELETE, NEEDS_LINK | NEEDS_PREFIX, serve_neigh },
	{ PRIV_ROUTE_SET, NEEDS_LINK | NEEDS_PREFIX, serve_route },
	{ PRIV_ROUTE_DELETE, NEEDS_LINK | NEEDS_PREFIX, serve_route },
	{ PRIV_SHAPE_SET, NEEDS_LINK, serve_shape },
	{ PRIV_SHAPE_DELETE, NEEDS_LINK, serve_shape },
	{ PRIV_LOOKUP, NEEDS_PREFIX, serve_lookup },
	{ PRIV_PATH_MTU, NEEDS_PREFIX, serve_path_mtu },
};

static int
serve_row(struct priv_kernel *k, const struct priv_request *r,
    struct priv_report *out, struct err *e)
{
	struct priv_link *l = NULL;
	struct name_buf b;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].op != r->op)
			continue;
		if (rows[i].needs & NEEDS_LINK && (!link_name_ok(r->link) ||
		    (l = priv_link_find(k, r->link)) == NULL))
			return err_set(e, ENODEV, "no such interface");
		if (rows[i].needs & NEEDS_PREFIX && !prefix_ok(&r->prefix))
			return err_set(e, EINVAL, "no address");
		return rows[i].fn(k, l, r, out, e);
	}
	return err_set(e, EOPNOTSUPP, "%s", name_text(priv_op_names, r->op,
	    &b));
}

void
priv_report_link(const struct priv_link *l, struct priv_report *out)
{
	memcpy(out->link, l->name, sizeof(out->link));
	out->index = l->index;
	out->mtu = l->mtu;
	out->offload = l->offload;
	out->up = l->up;
}

static int
serve_link(struct priv_kernel *k, const struct priv_request *r,
    struct priv_report *out, const int **fds, size_t *n, struct err *e)
{
	struct priv_link *l;

	if (!link_name_ok(r->link))
		return err_set(e, EINVAL, "not the name of an interface");
	if (r->op == PRIV_LINK_DELETE)
		return priv_link_delete(k, r->link, e);
	if (r->mtu < MTU_MIN || r->mtu > MTU_MAX)
		return err_set(e, EINVAL, "MTU of %u", r->mtu);
	l = priv_link_set(k, r->link, r->mtu, &out->fresh, e);
	if (l == NULL)
		return -1;
	priv_report_link(l, out);
	if (out->fresh) {
		*fds = l->fds;
		*n = l->n;
	}
	return 0;
}

void
priv_serve(struct priv_kernel *k, const struct priv_request *r,
    struct priv_report *out, const int **fds, size_t *n)
{
	struct err e;
	int rc;

	err_clear(&e);
	memset(out, 0, sizeof(*out));
	*fds = NULL;
	*n = 0;
	out->type = PRIV_DONE;
	out->seq = r->seq;
	memcpy(out->link, r->link, sizeof(out->link));
	out->prefix = r->prefix;
	if (r->op == PRIV_LINK_SET || r->op == PRIV_LINK_DELETE)
		rc = serve_link(k, r, out, fds, n, &e);
	else
		rc = serve_row(k, r, out, &e);
	if (rc == 0)
		return;
	out->error = e.code != 0 ? e.code : EIO;
	(void)snprintf(out->text, sizeof(out->text), "%.255s", e.msg);
}
