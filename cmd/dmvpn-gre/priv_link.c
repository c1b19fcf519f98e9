#include <errno.h>
#include <linux/ip.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "path.h"
#include "priv_half.h"
#include "sys/log.h"

/* Frames that wait for the packet half: two super-packets' worth a flow. */
#define LINK_QUEUE 2000

/*
 * What a tunnel interface needs of IPv4: it routes, takes packets whose
 * reverse path is another tunnel, and never redirects (NHRP does that).  ARP
 * for addresses of other interfaces is not answered.
 */
static const struct netlink_conf conf[] = {
	{ IPV4_DEVCONF_FORWARDING, 1 },
	{ IPV4_DEVCONF_RP_FILTER, 0 },
	{ IPV4_DEVCONF_SEND_REDIRECTS, 0 },
	{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0 },
	{ IPV4_DEVCONF_ACCEPT_LOCAL, 1 },
	{ IPV4_DEVCONF_ARP_IGNORE, 1 },
};

struct priv_link *
priv_link_find(struct priv_kernel *k, const char *name)
{
	size_t i;

	for (i = 0; i < PRIV_LINKS; i++)
		if (k->links[i].name[0] != '\0' &&
		    strcmp(k->links[i].name, name) == 0)
			return &k->links[i];
	return NULL;
}

struct priv_link *
priv_link_index(struct priv_kernel *k, int index)
{
	size_t i;

	for (i = 0; i < PRIV_LINKS; i++)
		if (k->links[i].name[0] != '\0' &&
		    k->links[i].index == index)
			return &k->links[i];
	return NULL;
}

static void
close_queues(struct priv_link *l)
{
	while (l->n > 0)
		close(l->fds[--l->n]);
}

static void
link_forget(struct priv_kernel *k, struct priv_link *l)
{
	close_queues(l);
	priv_entries_free(k, l);
	memset(l, 0, sizeof(*l));
}

/* A device of this name that is not ours is refused; one that an earlier
 * run left is adopted. */
static int
look_for(struct priv_kernel *k, const char *name, bool *adopted,
    struct err *e)
{
	struct netlink_link link;
	struct err why;

	*adopted = false;
	if (netlink_link_get(k->nl, name, &link, &why) < 0)
		return why.code == ENODEV ? 0 : err_set(e, why.code, "%s",
		    why.msg);
	*adopted = true;
	if (strcmp(link.alias, PRIV_MARK) == 0)
		return 0;
	return err_set(e, EEXIST, "interface %s exists and was not made by "
	    "dmvpn-gre", name);
}

/* MAC, mark, settings, MTU, up. */
static int
link_dress(struct priv_kernel *k, struct priv_link *l, struct err *e)
{
	struct netlink_link link;
	struct err quiet;
	uint8_t mac[6];

	if (netlink_link_get(k->nl, l->name, &link, e) < 0)
		return -1;
	l->index = link.index;
	path_mac(PATH_MAC_SELF, mac);
	if (memcmp(link.mac, mac, 6) != 0 && netlink_link_change(k->nl,
	    l->index, &(struct netlink_link_change){ .mac = mac }, e) < 0)
		return -1;
	if (netlink_link_conf(k->nl, l->index, conf,
	    sizeof(conf) / sizeof(conf[0]), e) < 0)
		return -1;
	/* Without IPv6 in the kernel there is nothing to switch off. */
	(void)netlink_link_no_autoconf(k->nl, l->index, &quiet);
	if (netlink_link_change(k->nl, l->index, &(struct netlink_link_change)
	    { .alias = PRIV_MARK, .mtu = l->mtu, .queue = LINK_QUEUE,
	    .up = true }, e) < 0)
		return -1;
	l->up = true;
	return 0;
}

static int
link_open(struct priv_kernel *k, struct priv_link *l, struct err *e)
{
	struct err why;

	if (look_for(k, l->name, &l->adopted, e) < 0 || priv_tap_open(l->name,
	    k->owner, l->fds, k->queues, &l->offload, e) < 0)
		return -1;
	l->n = k->queues;
	if (link_dress(k, l, e) == 0)
		return 0;
	if (l->index != 0 && netlink_link_delete(k->nl, l->index, &why) < 0)
		log_event(LEVEL_WARN, "delete-failed",
		    T("interface", l->name), T("why", why.msg));
	close_queues(l);
	l->index = 0;
	return -1;
}

static struct priv_link *
link_new(struct priv_kernel *k, const char *name, uint32_t mtu,
    struct err *e)
{
	struct priv_link *l;
	size_t i;

	for (i = 0; i < PRIV_LINKS && k->links[i].name[0] != '\0'; i++)
		;
	if (i == PRIV_LINKS)
		return err_null(err_set(e, ENOSPC, "more than %d interfaces",
		    PRIV_LINKS));
	l = &k->links[i];
	memset(l, 0, sizeof(*l));
	if (text_copy(l->name, sizeof(l->name), name, e) < 0)
		return NULL;
	l->mtu = mtu;
	if (link_open(k, l, e) == 0)
		return l;
	link_forget(k, l);
	return NULL;
}

struct priv_link *
priv_link_set(struct priv_kernel *k, const char *name, uint32_t mtu,
    bool *fresh, struct err *e)
{
	struct priv_link *l = priv_link_find(k, name);

	*fresh = l == NULL;
	if (l == NULL)
		return link_new(k, name, mtu, e);
	if (mtu == l->mtu && l->up)
		return l;
	l->mtu = mtu;
	if (l->index == 0)
		return l;
	if (netlink_link_change(k->nl, l->index,
	    &(struct netlink_link_change){ .mtu = mtu, .up = true }, e) < 0)
		return NULL;
	return l;
}

int
priv_link_again(struct priv_kernel *k, struct priv_link *l, struct err *e)
{
	close_queues(l);
	l->index = 0;
	l->up = false;
	l->shaped = false;
	if (link_open(k, l, e) < 0)
		return -1;
	priv_entries_restore(k, l);
	return 0;
}

int
priv_link_delete(struct priv_kernel *k, const char *name, struct err *e)
{
	struct priv_link *l = priv_link_find(k, name);
	struct netlink_link link;
	struct err why;
	int rc = 0;

	if (netlink_link_get(k->nl, name, &link, &why) == 0 &&
	    strcmp(link.alias, PRIV_MARK) == 0)
		rc = netlink_link_delete(k->nl, link.index, e);
	if (l != NULL)
		link_forget(k, l);
	return rc;
}

/* --------------------------------------------------------------- end */

struct marked {
	int	index[PRIV_LINKS];
	size_t	n;
};

static bool
note_marked(void *arg, const struct netlink_link *link)
{
	struct marked *m = arg;

	if (strcmp(link->alias, PRIV_MARK) == 0 && m->n < PRIV_LINKS)
		m->index[m->n++] = link->index;
	return true;
}

static void
delete_marked(struct priv_kernel *k)
{
	struct marked m = { .n = 0 };
	struct err e;
	size_t i;

	if (netlink_link_each(k->nl, note_marked, &m, &e) < 0)
		log_event(LEVEL_WARN, "delete-failed", T("why", e.msg));
	for (i = 0; i < m.n; i++)
		if (netlink_link_delete(k->nl, m.index[i], &e) < 0 &&
		    e.code != ENODEV)
			log_event(LEVEL_WARN, "delete-failed",
			    T("why", e.msg));
}

void
priv_kernel_fini(struct priv_kernel *k, bool keep)
{
	size_t i;

	if (k->nl != NULL && !keep)
		delete_marked(k);
	for (i = 0; i < PRIV_LINKS; i++)
		if (k->links[i].name[0] != '\0')
			link_forget(k, &k->links[i]);
	netlink_close(k->nl);
	k->nl = NULL;
}
