#ifndef DMVPN_GRE_CMD_LIST_H
#define DMVPN_GRE_CMD_LIST_H

#include "sys/out.h"

/* A snapshot as a table, or as JSON or CBOR records. */
struct list_kind {
	const struct msg_type	*page, *item;
	size_t			 count_at, items_at;	/* in the page */
	const char *const	*headers;
	void (*row)(struct table *t, const void *item);
};

#define LIST_KIND(type, of, heads, fn) { &type##_type, &of##_type,	\
	offsetof(struct type, n_items), offsetof(struct type, items),	\
	heads, fn }

extern const struct list_kind list_interfaces, list_peers, list_sas,
    list_maps, list_routes;

/* "list" with its options, whole. */
int list_main(const struct list_kind *k, int argc, char **argv);
/* Hand all items to fn, which returns -1 to stop. */
int list_each(const struct list_kind *k, void (*begin)(void *arg),
    void (*fn)(void *arg, const void *item), void *arg);

#endif
