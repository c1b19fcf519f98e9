#ifndef DMVPN_GRE_PRIV_HALF_H
#define DMVPN_GRE_PRIV_HALF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"
#include "gre_hash.h"
#include "priv.h"
#include "sys/loop.h"
#include "sys/netlink.h"

/* Parts of the privileged half: for priv*.c and cmd_*.c only. */

#define PRIV_MARK "dmvpn-gre"	/* alias of the links that we made */

/* ------------------------------------------------------- TAP, sockets */

/*
 * Open n queues of a persistent TAP of that name, made when it is not there;
 * owner as for tunctl -u, (uid_t)-1: anybody with the right to.  *offload
 * gets what path_tap_offload switched on.  0, or -1 and nothing open.
 */
int priv_tap_open(const char *name, uid_t owner, int *fds, size_t n,
    uint32_t *offload, struct err *e);

/* /dev/net/tun opened, to see that it can be. */
int priv_tap_probe(struct err *e);

/* Up to n bound sockets of a kind (enum path_socket), for a receiver each:
 * how many there are; -1 and a sentence. */
ssize_t priv_socket_open(unsigned kind, int *fds, size_t n, struct err *e);
/* What an unprivileged user can tell about who holds UDP port 4500:
 * "pid 71 (charon)", or "" . */
const char *priv_port_holder(uint16_t port, char *out, size_t len);

/* ----------------------------------------- desired state of the kernel */

enum priv_entry_kind { PRIV_ADDR, PRIV_NEIGH, PRIV_ROUTE };

/* Compared octet by octet, so it has no holes. */
struct priv_entry_key {
	uint32_t	kind;		/* enum priv_entry_kind */
	uint32_t	metric;
	struct prefix	prefix;
	uint8_t		zero[2];
};
_Static_assert(sizeof(struct priv_entry_key) == 28, "holes in the key");

struct priv_entry {
	struct priv_entry_key	key;
	struct addr		via;
	uint16_t		peer;
	bool			onlink;
	struct priv_entry	*chain;		/* of its slot */
	struct priv_entry	*prev, *next;	/* as they were stated */
};

struct priv_table {
	struct priv_entry	*all;
	struct priv_entry	**slot;
	size_t			 n, slots;	/* a power of two; 0: none */
	size_t			 routes;	/* of n */
};

struct priv_link {
	char			 name[16];	/* "": free */
	int			 index;		/* 0: not there now */
	int			 fds[PRIV_QUEUES];
	size_t			 n;
	uint32_t		 mtu, offload;
	bool			 up;
	bool			 shaped;
	bool			 adopted;	/* not swept yet */
	struct priv_table	 entries;
};

/* The MTU of a link that routes lead to, asked once: thousands of peers are
 * behind the same one.  index 0: none. */
struct priv_mtu {
	int		 index;
	uint32_t	 mtu;
	uint64_t	 until;		/* ms; ask again then */
};

struct priv_kernel {
	struct netlink		*nl;
	struct priv_link	 links[PRIV_LINKS];
	struct priv_mtu		 mtu;
	size_t			 n_entries;
	unsigned		 queues;
	uid_t			 owner;
};

/* Links by name or number; NULL when it is none of ours. */
struct priv_link *priv_link_find(struct priv_kernel *k, const char *name);
struct priv_link *priv_link_index(struct priv_kernel *k, int index);
/* Make or change one.  *fresh: its queues were opened now. */
struct priv_link *priv_link_set(struct priv_kernel *k, const char *name,
    uint32_t mtu, bool *fresh, struct err *e);
/* Make it again after somebody deleted it. */
int priv_link_again(struct priv_kernel *k, struct priv_link *l,
    struct err *e);
/* Delete one, also one left over from an earlier run. */
int priv_link_delete(struct priv_kernel *k, const char *name, struct err *e);
/* Close everything; delete all links with our mark unless keep. */
void priv_kernel_fini(struct priv_kernel *k, bool keep);

/* State an address, neighbour or route; or take it back. */
#define PRIV_PLAIN	256	/* routes of a link; with more they have scopes */
int priv_entry_set(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct priv_request *r, struct err *e);
int priv_entry_delete(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct priv_request *r, struct err *e);
/* Write all of a link's entries again. */
void priv_entries_restore(struct priv_kernel *k, struct priv_link *l);
/* Take away what is in the kernel on this link and was not stated: routes
 * and neighbours of ours; addresses too when asked (what an earlier run
 * left; a later one may be the user's). */
void priv_entries_sweep(struct priv_kernel *k, struct priv_link *l,
    bool addresses);
void priv_entries_free(struct priv_kernel *k, struct priv_link *l);
/* One is gone from the kernel: write it again if it is wanted. */
void priv_entry_lost(struct priv_kernel *k, struct priv_link *l,
    enum priv_entry_kind kind, const struct prefix *p);

/* ------------------------------------------------- the half as a whole */

struct half_conf {
	const char	*user;		/* of the packet half; NULL: ours */
	const char	*group;		/* of gre.sock; NULL: ours */
	unsigned	 threads;	/* of the packet half, 0: as CPUs are */
	bool		 openssl;	/* path.h */
	bool		 serve;		/* gre.sock */
	int		 client[2];	/* clients of the packet half; -1 */
	const char	*argv0;
	void		*arg;
	void (*ready)(void *arg);	/* each time a packet half serves */
	void (*ended)(void *arg);	/* all is removed; half_status */
};

struct half;

/* Opens netlink and the sockets, gives up what is not needed any more, and
 * starts the packet half.  client descriptors are taken; they go to the
 * first packet half only.  argv0 and what conf points to is borrowed. */
struct half *half_new(struct loop *l, const struct half_conf *conf,
    struct err *e);
/* End in an orderly way; ended() follows. */
void half_stop(struct half *h, bool keep);
/* Call it on SIGCHLD.  Other children are not touched. */
void half_reap(struct half *h);
/* Why it ended: 0, or the exit status of a packet half that never served. */
int half_status(const struct half *h);
void half_free(struct half *h);

#endif
