#ifndef DMVPN_GRE_GRE_H
#define DMVPN_GRE_GRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/chain.h"
#include "base/err.h"
#include "gre_hash.h"
#include "msg/types.h"
#include "path.h"
#include "priv.h"

/*
 * The state of the packet half: interfaces, peers, SAs, maps and routes with
 * their owners.  No input or output: what the kernel should do goes out as
 * requests to the privileged half, what the packets need goes to struct
 * path, and what others should know goes out as events.
 *
 * Functions that answer a request of gre.sock take a job (an opaque pointer,
 * NULL: nobody waits); the kernel requests that they make carry it, so that
 * the answer can wait for the kernel.  On -1 nothing was changed; e->code:
 * ENOENT, EEXIST, EPERM (another owner's), EINVAL, ENOSPC, ENOMEM.
 */

#define GRE_PEER_FIRST	49152	/* numbers that we give */
#define GRE_PEER_LAST	65533
#define GRE_MTU_IPSEC	1400	/* until an SA tells */
#define GRE_MTU_CLEAR	1468	/* outer 1,500, key and checksum */
#define GRE_MTU_LEAST	1280	/* RFC 8200, 5 */

struct gre_ops {
	void	*arg;
	/* Ask the privileged half; r->seq is set there. */
	void (*kernel)(void *arg, struct priv_request *r, void *job);
	/* A note for the packet half after us; data NULL: take it away. */
	void (*note)(void *arg, const struct priv_key *key, const void *data,
	    size_t len);
	/* An event for whoever subscribed. */
	void (*event)(void *arg, const struct msg_type *t, const void *m);
};

struct gre_blob {
	uint8_t	len;
	uint8_t	b[255];
};

struct gre_iface {
	unsigned		 id;		/* of path; 0: free */
	uint64_t		 serial;
	struct gre_interface_set conf;		/* blob: see below */
	struct gre_blob		 blob;
	struct prefix		 linklocal;	/* ours; len 0: none */
	int			 index;		/* 0: not there (yet) */
	uint32_t		 mtu;		/* as asked of the kernel */
	uint32_t		 offload;
	bool			 up;
	bool			 has_taps;	/* path has queues of it */
	struct gre_interface_event told;	/* the last event */
	uint64_t		 multicast_at, mtu_at;	/* ms; 0: settled */
};

/*
 * Texts and blob of a statement, in one piece, no longer than they are.
 * Offsets are into text; owner is at 0.  Where there is an owner alone, all
 * of that owner's have the same.
 */
struct gre_kept {
	uint32_t	users;
	uint8_t		name_at;	/* 0: no name is kept */
	uint8_t		denied_at;	/* n_denied strings */
	uint8_t		n_denied;
	uint8_t		blob_len;
	uint16_t	blob_at;
	char		text[];
};

/* What of gre-peer-set is not in its texts. */
struct gre_peer_conf {
	struct endpoint	remote, local;
	enum gre_encap	encap;
	uint16_t	keepalive;
	bool		fixed;
	uint64_t	rate;
};

struct gre_peer_entry {
	uint16_t		 number;
	uint16_t		 mtu;		/* of the route to it; 0: ? */
	struct gre_peer_conf	 conf;
	struct gre_kept		*kept;
	uint64_t		 serial;
	uint64_t		 shaped;	/* bit of each interface id */
	struct gre_map_entry	*maps;
	struct gre_route_entry	*routes;
	struct gre_sa_entry	*sas;
	struct gre_peer_entry	*prev, *next;	/* as they were stated */
};

struct gre_map_key {
	uint32_t	id;		/* interface */
	struct addr	addr;
	uint8_t		zero[3];
};
struct gre_map_entry {
	struct gre_map_key	 key;
	uint64_t		 serial;
	struct gre_kept		*kept;
	struct gre_peer_entry	*peer;
	bool			 multicast;
	uint64_t		 until;		/* ms; 0: no end */
	struct gre_map_entry	*next, *prev;	/* of the peer */
	struct gre_map_entry	*all_next, *all_prev;	/* as stated */
	struct chain		 chain;		/* by key */
};

struct gre_route_key {
	uint32_t	id;
	uint32_t	metric;
	struct prefix	prefix;
	uint8_t		zero[2];
};
struct gre_route_entry {
	struct gre_route_key	 key;
	struct addr		 via;
	uint64_t		 serial;
	struct gre_kept		*kept;
	struct gre_peer_entry	*peer;		/* NULL: by via, or on link */
	struct gre_route_entry	*next, *prev;	/* of the peer */
	struct gre_route_entry	*all_next, *all_prev;	/* as stated */
	struct chain		 chain;		/* by key */
};

/* Metrics that routes have: a prefix is looked up under each. */
#define GRE_METRICS 8
struct gre_metric {
	uint32_t	metric;
	size_t		n;		/* routes; 0: free */
};

struct gre_sa_entry {
	uint32_t		 spi_in, spi_out;
	uint64_t		 serial;
	struct gre_kept		*kept;
	struct gre_peer_entry	*peer;
	unsigned		 id;		/* interface, tunnel mode */
	enum sa_mode		 mode;
	enum esp_cipher		 cipher;
	bool			 esn;
	uint8_t			 queue;		/* of sender + 1; 0: of all */
	uint16_t		 window;
	struct gre_sa_entry	*next, *prev;
	struct gre_sa_entry	*all_next, *all_prev;	/* as stated */
	struct chain		 chain;		/* by spi_in */
};

struct gre {
	struct path		*path;
	struct gre_ops		 ops;
	uint64_t		 generation, serial;
	struct gre_iface	 ifaces[PATH_INTERFACES];  /* by id */
	struct gre_peer_entry	*peers;
	struct gre_peer_entry	**by_number;	/* NULL: there was none yet */
	size_t			 n_peers;
	struct gre_map_entry	*maps;
	struct chains		 map_chains;
	struct gre_route_entry	*routes;
	struct chains		 route_chains;
	struct gre_metric	 metrics[GRE_METRICS];
	size_t			 n_other_metrics;	/* routes */
	struct gre_sa_entry	*sas;
	struct chains		 sa_chains;
	uint64_t		 maps_at;	/* none ends before; 0: none */
	uint16_t		 next_peer;
	bool			 replaying;	/* notes come from before */
};

_Static_assert(sizeof(struct gre_map_key) == 24, "holes in the key");
_Static_assert(sizeof(struct gre_route_key) == 28, "holes in the key");

void gre_init(struct gre *g, struct path *path, const struct gre_ops *ops);
void gre_fini(struct gre *g);

/* Things that wait for more of their kind: lists of multicast, MTUs; maps
 * whose holding time is over.  Returns when to call again (ms). */
uint64_t gre_tick(struct gre *g, uint64_t now);
void gre_map_until(struct gre *g, struct gre_map_entry *o, uint64_t until);

/* --------------------------------------------------------- interfaces */

int gre_iface_set(struct gre *g, const struct gre_interface_set *m,
    void *job, struct err *e);
int gre_iface_delete(struct gre *g, const char *name, void *job,
    struct err *e);
struct gre_iface *gre_iface_find(struct gre *g, const char *name);
struct gre_iface *gre_iface_by_id(struct gre *g, unsigned id);

/* What the privileged half says of a link.  Takes the descriptors. */
void gre_link(struct gre *g, const struct priv_report *r, const int *fds,
    size_t n);
void gre_link_gone(struct gre *g, const char *name);
/* It could not be made. */
void gre_link_failed(struct gre *g, const char *name);

/* -------------------------------------------------------------- peers */

int gre_peer_state(struct gre *g, const struct gre_peer_set *m,
    uint16_t *number, struct err *e);
int gre_peer_remove(struct gre *g, uint16_t number, struct err *e);
struct gre_peer_entry *gre_peer_find(struct gre *g, uint16_t number);
/* The route towards a peer has this MTU. */
void gre_peer_mtu(struct gre *g, uint16_t number, uint32_t mtu);
/* An interface is new: is it denied to any? */
void gre_peers_deny(struct gre *g);
/* The path to it changed, or its SAs: MTUs may follow. */
void gre_peer_changed(struct gre *g, uint16_t number);
/* On which interfaces it is used now: classes follow. */
void gre_peer_shape(struct gre *g, struct gre_peer_entry *p);
/* An interface was made anew: its classes went with the old one. */
void gre_peers_shape(struct gre *g, unsigned id);

/* ------------------------------------------------------ maps, routes */

int gre_maps_state(struct gre *g, const struct gre_map_set *m, uint64_t now,
    void *job, struct err *e);
int gre_maps_remove(struct gre *g, const struct gre_map_delete *m, void *job,
    struct err *e);
void gre_map_free(struct gre *g, struct gre_map_entry *o, void *job);
struct gre_map_entry *gre_map_find(struct gre *g, unsigned id,
    const struct addr *a);

int gre_routes_state(struct gre *g, const struct gre_route_set *m, void *job,
    struct err *e);
int gre_routes_remove(struct gre *g, const struct gre_route_delete *m,
    void *job, struct err *e);
void gre_route_free(struct gre *g, struct gre_route_entry *o, void *job);
/* The peer of a next hop in direct mode (169.254.x.y, fe80::N); 0: none. */
uint16_t gre_peer_of_hop(const struct addr *via);

/* ---------------------------------------------------------------- SAs */

int gre_sa_install(struct gre *g, const struct gre_sa_add *m, struct err *e);
int gre_sa_end(struct gre *g, uint32_t spi_in, uint32_t grace,
    struct err *e);
/* The grace is over: forget it. */
void gre_sa_gone(struct gre *g, uint32_t spi_in);
void gre_sa_free(struct gre *g, struct gre_sa_entry *o);

/* ---------------------------------------------------------- snapshots */

/* One page.  Items are in the order in which they were first stated, so a
 * page holds its place while others come and go. */
void gre_page_interfaces(struct gre *g, const struct page *p,
    struct gre_interfaces *out);
void gre_page_peers(struct gre *g, const struct page *p,
    struct gre_peers *out);
void gre_page_sas(struct gre *g, const struct page *p, uint64_t now,
    struct gre_sas *out);
void gre_page_maps(struct gre *g, const struct page *p, uint64_t now,
    struct gre_maps *out);
void gre_page_routes(struct gre *g, const struct page *p,
    struct gre_routes *out);

/* -------------------------------------------------------------- notes */

void gre_note_iface(struct gre *g, const struct gre_iface *i, bool gone);
void gre_note_peer(struct gre *g, const struct gre_peer_entry *p, bool gone);
void gre_note_map(struct gre *g, const struct gre_map_entry *o, bool gone);
void gre_note_route(struct gre *g, const struct gre_route_entry *o,
    bool gone);
void gre_note_seen(struct gre *g, const uint8_t install[16]);
/* Take in a note of the packet half before us. */
int gre_note_replay(struct gre *g, const struct priv_key *key,
    struct rbuf data, uint64_t now, struct err *e);

/* ------------------------------------------------------------ helpers */

uint32_t gre_map_hash(const struct chain *c);
uint32_t gre_route_hash(const struct chain *c);
uint32_t gre_sa_hash(const struct chain *c);

struct gre_kept *gre_kept_new(const char *owner, struct rbuf blob,
    struct err *e);
struct gre_kept *gre_kept_peer(const struct gre_peer_set *m, struct err *e);
void gre_kept_release(struct gre_kept *k);	/* NULL is fine */
const char *gre_owner(const struct gre_kept *k);
const char *gre_name(const struct gre_kept *k);	/* "" when there is none */
/* The next one, NULL after the last: begin with at NULL. */
const char *gre_denied(const struct gre_kept *k, const char *at);
struct rbuf gre_blob(const struct gre_kept *k);
/* All of a statement again; it borrows from the entry. */
void gre_peer_conf(const struct gre_peer_entry *p, struct gre_peer_set *m);
/* Marks: gre_tick looks at them soon. */
#define GRE_SOON 1		/* as a time: by the next gre_tick */
/* An empty request about an interface. */
struct priv_request gre_request(enum priv_op op, const struct gre_iface *i);

#endif
