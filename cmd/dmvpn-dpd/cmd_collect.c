#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_overview.h"
#include "base/addr.h"
#include "msg/msg.h"
#include "sys/ask.h"
#include "sys/loop.h"

/* Ask each program for its part of one tunnel. */

static struct dpd_neighbour *
row_new(struct overview *o, const char *kind, struct err *e)
{
	struct dpd_neighbour *r;
	size_t room = o->room == 0 ? 32 : o->room * 2;

	if (o->n == o->room) {
		r = realloc(o->rows, room * sizeof(*r));
		if (r == NULL)
			return err_null(err_set(e, ENOMEM, "no memory"));
		o->rows = r;
		o->room = room;
	}
	r = &o->rows[o->n++];
	memset(r, 0, sizeof(*r));
	memcpy(r->tunnel, o->tunnel.tunnel, sizeof(r->tunnel));
	snprintf(r->kind, sizeof(r->kind), "%s", kind);
	return r;
}

static uint64_t
age_of(const struct overview *o, uint64_t since)
{
	return since != 0 && o->now > since ? (o->now - since) / 1000 : 0;
}

static void
cut(char *to, size_t len, const char *from)
{
	snprintf(to, len, "%.*s", (int)len - 1, from);
}

static bool
is_role(const struct overview *o, const char *role)
{
	return strcmp(o->tunnel.role, role) == 0;
}

/* Pull all pages of a snapshot; nobody there is no mistake. */
static int
pages(struct overview *o, const char *sock, const struct msg_type *reply,
    int (*take)(void *arg, const void *page, struct err *e), struct err *e)
{
	struct ask_pages p = { .reply = reply, .arg = o, .take = take };
	struct conn *c = ask_open(sock, NULL);
	struct err why = { 0 };
	int rc;

	if (c == NULL)
		return 0;
	memcpy(p.from.interface, o->tunnel.tunnel, sizeof(p.from.interface));
	rc = conn_pages(c, &p, NULL, &why);
	conn_close(c);
	if (rc < 0 && why.code == ENOMEM)
		return err_set(e, ENOMEM, "%s", why.msg);
	return 0;
}

/* ---- dmvpn-gre: the interface */

static int
take_interfaces(void *arg, const void *page, struct err *e)
{
	struct overview *o = arg;
	const struct gre_interfaces *p = page;
	struct dpd_overview *t = &o->tunnel;

	(void)e;
	for (size_t i = 0; i < p->n_items; i++) {
		const struct gre_interface *g = &p->items[i];

		if (strcmp(g->interface, t->tunnel) != 0)
			continue;
		t->n_addresses = g->n_addresses;
		memcpy(t->addresses, g->addresses, sizeof(t->addresses));
		t->key = g->key;
		t->mtu = g->mtu;
		t->rx_bytes = g->rx_bytes;
		t->tx_bytes = g->tx_bytes;
		t->up = g->up;
	}
	return 0;
}

/* ---- dmvpn-nhrp: hubs, spokes, shortcuts */

static int
add_nhs(struct overview *o, const struct nhrp_nhs_status *n, struct err *e)
{
	struct dpd_neighbour *r = row_new(o, "hub", e);
	struct addr_buf ab;

	if (r == NULL)
		return -1;
	cut(r->name, sizeof(r->name), addr_text(&n->address, &ab));
	r->address = prefix_host(&n->address);
	r->up = n->up;
	r->in_use = n->up;
	r->remote = n->nbma;
	r->seen_as = n->nat;
	r->peer = n->peer;
	r->age = age_of(o, n->since);
	if (!n->up && n->reason.code[0] != '\0')
		(void)reason_text(&n->reason, r->why, sizeof(r->why));
	return 0;
}

static int
collect_nhs(struct overview *o, struct err *e)
{
	struct nhrp_status m = { 0 };
	struct nhrp_status_reply *s = calloc(1, sizeof(*s));
	struct conn *c = ask_open("nhrp.sock", NULL);
	int rc = 0;

	if (s != NULL && c != NULL && conn_call(c, &nhrp_status_type, &m,
	    &nhrp_status_reply_type, s, NULL, NULL) == 0)
		for (size_t i = 0; i < s->n_interfaces; i++)
			for (size_t j = 0; rc == 0 && strcmp(
			    s->interfaces[i].interface,
			    o->tunnel.tunnel) == 0 &&
			    j < s->interfaces[i].n_nhs; j++)
				rc = add_nhs(o, &s->interfaces[i].nhs[j], e);
	conn_close(c);
	free(s);
	return rc;
}

static int
add_entry(struct overview *o, const struct nhrp_entry *n, struct err *e)
{
	bool spoke = n->kind == NHRP_KIND_REGISTERED;
	struct dpd_neighbour *r;

	if (!spoke && n->kind != NHRP_KIND_SHORTCUT)
		return 0;
	if ((r = row_new(o, spoke ? "spoke" : "shortcut", e)) == NULL)
		return -1;
	cut(r->name, sizeof(r->name), n->identity);
	r->address = n->prefix;
	r->via = n->via;
	r->remote = n->nbma;
	r->peer = n->peer;
	r->up = n->peer != 0;
	r->age = n->age;
	cut(r->why, sizeof(r->why), n->why);
	return 0;
}

static int
take_cache(void *arg, const void *page, struct err *e)
{
	struct overview *o = arg;
	const struct nhrp_cache *p = page;

	for (size_t i = 0; i < p->n_items; i++)
		if (strcmp(p->items[i].interface, o->tunnel.tunnel) == 0 &&
		    add_entry(o, &p->items[i], e) < 0)
			return -1;
	return 0;
}

/* ---- dmvpn-dpd: headends */

static int
add_headend(struct overview *o, const struct dpd_headend_status *h,
    struct err *e)
{
	struct dpd_neighbour *r = row_new(o, "headend", e);

	if (r == NULL)
		return -1;
	cut(r->name, sizeof(r->name), h->name);
	r->up = h->state == DPD_HEADEND_STATE_UP ||
	    h->state == DPD_HEADEND_STATE_STANDBY;
	r->in_use = h->in_use;
	r->remote = h->remote;
	r->peer = h->peer;
	r->age = age_of(o, h->since);
	if (!r->up && h->reason.code[0] != '\0')
		(void)reason_text(&h->reason, r->why, sizeof(r->why));
	return 0;
}

/* A spoke's hub: why there is no connection is more than "no answer". */
static void
explain_hub(struct overview *o, const struct dpd_headend_status *h)
{
	static const char *const names[] = { "1", "2", "3", "4", "5", "6", "7",
	    "8" };
	const char *number = strrchr(h->connection, '.');
	size_t at = 0;

	for (size_t i = 0; number != NULL && i < o->n; i++) {
		struct dpd_neighbour *r = &o->rows[i];

		if (strcmp(r->kind, "hub") != 0 || at >= 8)
			continue;
		if (strcmp(names[at++], number + 1) != 0)
			continue;
		if (r->remote.port == 0)
			r->remote = h->remote;
		if (!r->up && h->state == DPD_HEADEND_STATE_RESOLVING &&
		    h->reason.code[0] == '\0')
			snprintf(r->why, sizeof(r->why),
			    "resolve: no address of %s yet", h->name);
		else if (!r->up && h->reason.code[0] != '\0' &&
		    h->state != DPD_HEADEND_STATE_UP)
			(void)reason_text(&h->reason, r->why,
			    sizeof(r->why));
	}
}

static int
take_headends(struct overview *o, const struct dpd_status_reply *s,
    struct err *e)
{
	for (size_t i = 0; i < s->n_headends; i++) {
		if (strcmp(s->headends[i].tunnel, o->tunnel.tunnel) != 0)
			continue;
		if (is_role(o, "spoke"))
			explain_hub(o, &s->headends[i]);
		else if (add_headend(o, &s->headends[i], e) < 0)
			return -1;
	}
	return 0;
}

static int
collect_headends(struct overview *o, struct err *e)
{
	struct dpd_status m = { 0 };
	struct dpd_status_reply *s = calloc(1, sizeof(*s));
	struct conn *c = ask_open("dpd.sock", NULL);
	int rc = 0;

	do {
		if (s == NULL || c == NULL || conn_call(c, &dpd_status_type,
		    &m, &dpd_status_reply_type, s, NULL, NULL) < 0)
			break;
		rc = take_headends(o, s, e);
		m.after = s->next;
	} while (rc == 0 && s->next != 0);
	conn_close(c);
	free(s);
	return rc;
}

/* ---- dmvpn-ike: remotes of a headend, and the last failure */

static int
take_peers(void *arg, const void *page, struct err *e)
{
	struct overview *o = arg;
	const struct ike_peers *p = page;
	struct dpd_neighbour *r;

	for (size_t i = 0; i < p->n_items; i++) {
		if (strcmp(p->items[i].interface, o->tunnel.tunnel) != 0)
			continue;
		if ((r = row_new(o, "remote", e)) == NULL)
			return -1;
		cut(r->name, sizeof(r->name), p->items[i].identity);
		r->remote = p->items[i].remote;
		r->peer = p->items[i].peer;
		r->up = true;
	}
	return 0;
}

/* A tunnel's profiles are NAME and NAME.standby; a failure before any
 * profile was chosen concerns all who answer. */
static bool
concerns(const struct overview *o, const struct ike_failed *f)
{
	const char *name = o->tunnel.tunnel;
	size_t n = strlen(name);

	if (f->profile[0] == '\0')
		return f->role == IKE_ROLE_RESPONDER && !is_role(o, "remote");
	return strncmp(f->profile, name, n) == 0 &&
	    (f->profile[n] == '\0' || strcmp(&f->profile[n], ".standby") == 0);
}

static int
take_failures(void *arg, const void *page, struct err *e)
{
	struct overview *o = arg;
	const struct ike_failures *p = page;
	struct addr_buf ab;
	char text[sizeof(o->tunnel.last)];

	(void)e;
	for (size_t i = 0; i < p->n_items; i++) {
		const struct ike_failed *f = &p->items[i];

		if (!concerns(o, f) || f->at < o->last_at)
			continue;
		o->last_at = f->at;
		o->tunnel.last_age = age_of(o, f->at);
		snprintf(o->tunnel.last, sizeof(o->tunnel.last), "%s: %.*s",
		    endpoint_text(&f->remote, &ab), (int)sizeof(text) - 64,
		    reason_text(&f->reason, text, sizeof(text)));
	}
	return 0;
}

/* A spoke is up when a hub took its registration, a remote when it uses a
 * headend, the others when their interface is. */
static void
conclude(struct overview *o)
{
	bool used = false;

	for (size_t i = 0; i < o->n; i++)
		if (o->rows[i].in_use)
			used = true;
	if (is_role(o, "spoke") || is_role(o, "remote"))
		o->tunnel.up = o->tunnel.up && used;
	o->tunnel.neighbours = o->n;
}

int
overview_collect(struct overview *o, struct err *e)
{
	int rc;

	o->now = clock_ms();
	rc = pages(o, "gre.sock", &gre_interfaces_type, take_interfaces, e);
	if (rc == 0 && is_role(o, "spoke"))
		rc = collect_nhs(o, e);
	if (rc == 0 && (is_role(o, "spoke") || is_role(o, "hub")))
		rc = pages(o, "nhrp.sock", &nhrp_cache_type, take_cache, e);
	if (rc == 0 && (is_role(o, "spoke") || is_role(o, "remote")))
		rc = collect_headends(o, e);
	if (rc == 0 && is_role(o, "headend"))
		rc = pages(o, "ike.sock", &ike_peers_type, take_peers, e);
	if (rc == 0)
		rc = pages(o, "ike.sock", &ike_failures_type, take_failures,
		    e);
	conclude(o);
	return rc;
}

void
overview_fini(struct overview *o)
{
	free(o->rows);
}
