#ifndef SYS_LIST_H
#define SYS_LIST_H

#include <stddef.h>

#include "sys/out.h"

/*
 * Commands that list a snapshot: as a table, or as JSON or CBOR records.  One
 * kind of list is one const table.
 */
struct list_kind {
	const char		*sock_name;
	const char		*args;		/* of the command, for --help */
	bool			 owned;		/* --owner chooses */
	const struct msg_type	*page, *item;
	size_t			 count_at, items_at;	/* in the page */
	const char *const	*headers;
	void (*row)(struct table *t, const void *item);
};

#define LIST_KIND(sock, args, owned, type, of, heads, fn) {		\
	sock, args, owned, &type##_type, &of##_type,			\
	offsetof(struct type, n_items), offsetof(struct type, items),	\
	heads, fn }

/* The command with its options, whole: its exit status. */
int list_main(const struct list_kind *k, int argc, char **argv);

/* Hand all items to fn.  When the snapshot changed meanwhile it is read anew:
 * begin (may be NULL) is called before each time.  Exit status. */
int list_each(const struct list_kind *k, void (*begin)(void *arg),
    void (*fn)(void *arg, const void *item), void *arg);

#endif
