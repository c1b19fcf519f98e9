#ifndef NHRP_STATE_H
#define NHRP_STATE_H

/* What the files of the engine share; nobody else includes it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) ((elt)->hh.tbl = NULL)
#include <uthash.h>
#include <utlist.h>

#include "base/chain.h"
#include "nhrp_engine.h"
#include "nhrp_heap.h"
#include "wire/nhrp.h"

#define NHRP_HOLD		7200	/* seconds, Cisco's */
#define NHRP_RETRY_FIRST	1000	/* ms */
#define NHRP_RETRY_MAX		60000
#define NHRP_REFUSED_FIRST	3	/* doublings after a refusal */
#define NHRP_DOWN_AFTER		3	/* unanswered refreshes */
#define NHRP_ASK_TRIES		3
#define NHRP_NEGATIVE		20000	/* ms that a refusal is remembered */
#define NHRP_LINGER		60000	/* ms */
#define NHRP_LAST_WORDS		50	/* ms for what was sent to leave */
#define NHRP_LINK_WAIT		20000	/* ms for IKE to come up */
#define NHRP_LINK_GAP		10000	/* ms between tries to one address */
#define NHRP_LOOK		10000	/* ms between looks at counters */
#define NHRP_LOOK_LEAST		300
#define NHRP_REDIRECT_GAP	2000	/* ms between redirects of a pair */
#define NHRP_REDIRECT_SLOTS	2048
#define NHRP_HOPS		255
#define NHRP_OWNER		"nhrp"
#define NHRP_WHY		160

/* Counters, as status shows them. */
#define NHRP_COUNTS(X)						\
	X(NHRP_N_IN, 0, "received")				\
	X(NHRP_N_OUT, 1, "sent")				\
	X(NHRP_N_MALFORMED, 2, "malformed")			\
	X(NHRP_N_STRANGER, 3, "from-unknown-peer")		\
	X(NHRP_N_RATE, 4, "over-rate")				\
	X(NHRP_N_AUTH, 5, "authentication-failed")		\
	X(NHRP_N_NO_STEP, 6, "not-for-this-role")		\
	X(NHRP_N_NOT_NHS, 7, "not-from-a-server")		\
	X(NHRP_N_LOOP, 8, "loops")				\
	X(NHRP_N_HOPS, 9, "hop-count-exceeded")			\
	X(NHRP_N_EXTENSION, 10, "unrecognised-extension")	\
	X(NHRP_N_CAP, 11, "over-limit")				\
	X(NHRP_N_ERRORS_IN, 12, "errors-received")		\
	X(NHRP_N_ERRORS_OUT, 13, "errors-sent")			\
	X(NHRP_N_REGISTERED, 14, "registrations")		\
	X(NHRP_N_REFUSED, 15, "refused")			\
	X(NHRP_N_FORWARDED, 16, "forwarded")			\
	X(NHRP_N_ANSWERED, 17, "resolutions-answered")		\
	X(NHRP_N_ASKED, 18, "resolutions-asked")		\
	X(NHRP_N_REDIRECT_OUT, 19, "redirects-sent")		\
	X(NHRP_N_REDIRECT_IN, 20, "redirects-received")		\
	X(NHRP_N_REDIRECT_DROP, 21, "redirects-ignored")	\
	X(NHRP_N_PURGE_IN, 22, "purges-received")		\
	X(NHRP_N_PURGE_OUT, 23, "purges-sent")			\
	X(NHRP_N_UNEXPECTED, 24, "unexpected-replies")		\
	X(NHRP_N_UNROUTABLE, 25, "no-next-hop")			\
	X(NHRP_N_SPOOFED, 26, "source-of-another")		\
	X(NHRP_N_MEMORY, 27, "out-of-memory")			\
	X(NHRP_N_COUNT, 28, NULL)
enum nhrp_count { NHRP_COUNTS(NAME_ENUM) };
extern const struct name nhrp_count_names[];

/* A text that several have; never NULL but where one is made. */
struct nhrp_text {
	unsigned	 users;
	char		 s[];
};

/* What only a node of its outer address needs. */
struct nhrp_clear {
	struct nhrp_node *node;
	struct addr	 nbma;
	struct addr	 local;		/* ours; none: by route */
	struct nhrp_timer linger;	/* nothing rests on it */
	UT_hash_handle	 hh;		/* by nbma */
};

/* A peer of dmvpn-gre, known by its number. */
struct nhrp_node {
	uint16_t	 peer;
	bool		 known;		/* dmvpn-ike says who it is */
	bool		 marked;	/* peers_begin: not told again yet */
	bool		 psk;
	bool		 nat_remote;
	struct nhrp_clear *clear;	/* protect none: we made it */
	struct nhrp_text *identity;
	struct nhrp_text *connection;
	struct nhrp_text *owner;	/* of the connection */
	struct endpoint	 remote, local;
	struct prefix	*blocks;
	unsigned	 n_blocks, n_bindings, n_waits, refs;
	uint32_t	 tokens;	/* 1/1000 packets */
	uint32_t	 error_tokens;
	uint64_t	 tokens_at, error_at;
	uint64_t	 packets, used_at;
	struct nhrp_binding *bindings;
	struct nhrp_node *prev, *next;	/* of all */
};

/* Who was told what: they get a purge when it ends. */
struct nhrp_told {
	struct addr	 requester;
	struct prefix	 prefix;
	uint64_t	 expires;
	struct nhrp_told *next;
};

/* A registration at the hub. */
struct nhrp_binding {
	struct nhrp_iface *iface;
	struct nhrp_node *node;
	struct nhrp_text *identity;
	struct addr	 address;
	struct addr	 claimed;	/* NBMA that it gave */
	struct endpoint	 nbma;		/* as seen */
	bool		 unique;
	uint16_t	 hold;
	uint32_t	 id;
	unsigned	 n_routes, n_told;
	uint64_t	 since, expires;
	uint64_t	 serial;
	struct prefix	*routes;
	struct nhrp_told *told;
	struct nhrp_timer timer;
	struct nhrp_binding *prev, *next;	/* of the node */
	struct chain	 chain;		/* by address */
	struct nhrp_binding *all_prev, *all_next;	/* of the tunnel */
};

/* A server that we register with. */
struct nhrp_server {
	struct nhrp_iface *iface;
	struct nhrp_nhs	 conf;
	struct nhrp_node *node;
	bool		 up, told_down;
	bool		 asking;	/* a request is unanswered */
	uint32_t	 id;
	unsigned	 tries;		/* of one request, unanswered */
	unsigned	 refusals;	/* one after the other */
	uint16_t	 hold;
	uint64_t	 since;		/* up, or down */
	uint64_t	 making;	/* ticket of gre-peer-set */
	struct addr	 nat;		/* how it sees us; none: no NAT */
	uint64_t	 serial;
	struct reason	 reason;
	struct nhrp_timer timer;
};

enum nhrp_cut_state {
	NHRP_CUT_ASKING,	/* resolution request is out */
	NHRP_CUT_LINKING,	/* answered, IKE is on the way */
	NHRP_CUT_PASSIVE,	/* told by a request; the other side dials */
	NHRP_CUT_UP,
	NHRP_CUT_REFUSED,	/* stays on the hub's path */
};

/* A resolution and what became of it: a shortcut. */
struct nhrp_cut {
	struct nhrp_iface *iface;
	enum nhrp_cut_state state;
	struct addr	 target;	/* what was asked for */
	struct prefix	 prefix;	/* what was answered */
	struct addr	 via;		/* tunnel address of the egress */
	struct addr	 claimed;	/* its NBMA, as it says */
	struct endpoint	 nbma;		/* where it is reached */
	bool		 observed;	/* nbma was seen by the hub */
	struct nhrp_node *node;
	bool		 no_dial;	/* behind a NAT, its port unknown */
	bool		 linked;	/* we stated a connection */
	uint64_t	 linked_at;
	bool		 routed;
	bool		 asking;
	uint32_t	 id;
	unsigned	 tries;
	uint16_t	 hold;
	uint64_t	 started, expires, refreshed;
	uint64_t	 serial;
	char		 connection[64];
	char		 why[NHRP_WHY];
	struct reason	*reason;	/* IKE's, when it failed; heap */
	uint64_t	 waiters[4];
	struct nhrp_timer timer;
	struct nhrp_cut	*prev, *next;
};

/* An address that leads to the server's peer until there is better. */
struct nhrp_fill {
	struct nhrp_iface *iface;
	struct addr	 address;
	uint16_t	 peer;
	uint64_t	 serial, expires;
	struct nhrp_timer timer;
	struct nhrp_fill *prev, *next;
};

/* A purge without its answer yet. */
struct nhrp_ask {
	struct nhrp_iface *iface;
	uint16_t	 peer;
	uint32_t	 id;
	unsigned	 tries;
	struct nhrp_timer timer;
	struct nhrp_ask	*prev, *next;
	size_t		 len;
	uint8_t		 data[];
};

/* Something goes on when a program below has answered. */
struct nhrp_wait {
	uint64_t	 ticket;
	void (*fn)(struct nhrp_engine *g, struct nhrp_wait *w,
	    const void *m, const struct reason *why);
	char		 interface[16];
	uint16_t	 peer;
	struct endpoint	 remote;
	struct addr	 address, local;
	UT_hash_handle	 hh;
	size_t		 len;
	uint8_t		 data[];
};

struct nhrp_iface {
	struct nhrp_interface_set conf;
	uint8_t		 auth[NHRP_AUTH_MAX];
	size_t		 auth_len;
	uint16_t	 mtu;
	uint32_t	 next_id;
	uint64_t	 serial;	/* of its local entries, 64 of them */
	size_t		 n_servers;
	struct nhrp_server servers[8];
	struct nhrp_binding *bindings;		/* as they were made */
	size_t		 n_bindings;
	struct chains	 by_address;
	size_t		 n_cuts, n_refused, n_up;
	uint32_t	 look;		/* ms, while any is up */
	struct nhrp_cut	*cuts;
	size_t		 n_fills;
	struct nhrp_fill *fills;
	unsigned	 n_told;
	struct nhrp_told *told;			/* of our own subnets */
	struct nhrp_iface *next;
};

struct nhrp_orphan {
	bool		 route;
	char		 interface[16];
	struct prefix	 prefix;	/* maps: host */
	uint16_t	 peer;		/* 0: a route */
	struct addr	 via;
	uint32_t	 hold;
	uint8_t		 blob[256];
	size_t		 blob_len;
	uint64_t	 at;
	struct nhrp_orphan *next;
};

/* A message of a peer that is not up yet. */
struct nhrp_early {
	char		 interface[16];
	uint16_t	 peer;
	struct endpoint	 remote;
	struct nhrp_timer timer;
	struct nhrp_early *prev, *next;
	size_t		 len;
	uint8_t		 data[];
};

struct nhrp_redirect_slot {
	uint64_t	 key, at;
};

struct nhrp_engine {
	struct nhrp_ops	 ops;
	uint64_t	 now;
	struct nhrp_heap heap;
	struct nhrp_node **nodes;	/* by peer number, 65,536 */
	struct nhrp_node *all;
	struct nhrp_clear *clear;	/* hash */
	struct nhrp_iface *ifaces;
	struct nhrp_wait *waits;
	struct nhrp_ask	*asks;
	size_t		 n_asks;
	struct nhrp_orphan *orphans;
	struct nhrp_early *early;
	size_t		 n_early;
	uint64_t	 last_ticket, last_serial, generation;
	struct nhrp_redirect_slot redirects[NHRP_REDIRECT_SLOTS];
	uint64_t	 counts[NHRP_N_COUNT];
	uint32_t	 warn_tokens;	/* 1/1000 strangers */
	uint64_t	 warn_at;
	uint8_t		 out[NHRP_MAX];
};

/* A packet on its way through the engine. */
struct nhrp_rx {
	struct nhrp_iface *iface;
	struct nhrp_node *node;
	struct nhrp_server *server;	/* the node is this NHS's; or NULL */
	struct endpoint	 remote;
	struct rbuf	 raw;
	struct nhrp	 n;
};

/* nhrp_engine.c */
uint32_t nhrp_random(struct nhrp_engine *g, uint32_t below);
struct nhrp_iface *nhrp_iface_find(const struct nhrp_engine *g,
    const char *name);
void nhrp_count(struct nhrp_engine *g, enum nhrp_count c);
struct nhrp_wait *nhrp_wait_new(struct nhrp_engine *g, size_t len);
void nhrp_wait_free(struct nhrp_engine *g, struct nhrp_wait *w);

/* nhrp_iface.c: what was told of a peer, 0: of all, is void */
void nhrp_orphans_forget(struct nhrp_engine *g, uint16_t peer);

/* nhrp_text.c: NULL when out of memory, but "" needs none. */
struct nhrp_text *nhrp_text_new(const char *s);
struct nhrp_text *nhrp_text_share(struct nhrp_text *t);	/* one user more */
void nhrp_text_release(struct nhrp_text *t);	/* NULL is fine */
/* Takes t; what was there is released. */
void nhrp_text_set(struct nhrp_text **at, struct nhrp_text *t);

/* nhrp_node.c */
struct nhrp_node *nhrp_node_get(struct nhrp_engine *g, uint16_t peer);
void nhrp_node_free(struct nhrp_engine *g, struct nhrp_node *n);
struct nhrp_node *nhrp_node_clear(struct nhrp_engine *g,
    const struct addr *nbma);
void nhrp_node_up(struct nhrp_engine *g, const struct ike_up *m);
void nhrp_node_moved(struct nhrp_engine *g, struct nhrp_node *n,
    const struct endpoint *to);
void nhrp_node_gone(struct nhrp_engine *g, struct nhrp_node *n,
    const char *why);
bool nhrp_node_take(struct nhrp_engine *g, struct nhrp_node *n);
bool nhrp_node_may_err(struct nhrp_engine *g, struct nhrp_node *n);
bool nhrp_node_may_warn(struct nhrp_engine *g);
struct nhrp_node *nhrp_node_made(struct nhrp_engine *g, uint16_t peer,
    const struct addr *nbma, const struct addr *local);
/* Ask dmvpn-gre for a clear peer; returns the ticket, 0 when it can not. */
uint64_t nhrp_node_make(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *nbma, const struct rbuf *packet);
/* Our former life says who it is; false: it is another by now. */
struct nhrp_blob;
bool nhrp_node_was(struct nhrp_engine *g, struct nhrp_node *n,
    const struct nhrp_blob *b);
/* A clear peer that nothing needs any more is deleted when it has been quiet
 * for a while: the other side may still send straight to us. */
void nhrp_node_release(struct nhrp_engine *g, struct nhrp_node *n);
/* The last tunnel has gone: so do all clear peers, in a moment. */
void nhrp_node_flush(struct nhrp_engine *g);

/* nhrp_below.c: what is stated to dmvpn-gre and dmvpn-ike */
void nhrp_map_binding(struct nhrp_engine *g, const struct nhrp_binding *b);
void nhrp_map_server(struct nhrp_engine *g, const struct nhrp_server *s);
void nhrp_map_cut(struct nhrp_engine *g, const struct nhrp_cut *c);
void nhrp_map_fill(struct nhrp_engine *g, const struct nhrp_fill *x);
void nhrp_map_delete(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct addr *a);
void nhrp_route_set(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct prefix *p, const struct addr *via);
void nhrp_route_delete(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct prefix *p);
void nhrp_connect(struct nhrp_engine *g, struct nhrp_cut *c);
void nhrp_disconnect(struct nhrp_engine *g, struct nhrp_cut *c);
bool nhrp_lookup(struct nhrp_engine *g, struct nhrp_wait *w,
    const struct addr *a);
void nhrp_event(struct nhrp_engine *g, const struct msg_type *t,
    const void *m);

/* nhrp_blob.c: what an entry of the program below remembers for us */
enum nhrp_blob_kind { NHRP_BLOB_BINDING = 1, NHRP_BLOB_SERVER,
    NHRP_BLOB_CUT, NHRP_BLOB_FILL };
struct nhrp_blob {
	enum nhrp_blob_kind kind;
	bool		 unique, observed;
	uint32_t	 id;
	uint16_t	 hold;
	struct addr	 claimed;
	struct endpoint	 nbma;
	struct addr	 target;
	char		 identity[128];
};
struct rbuf nhrp_blob_put(const struct nhrp_blob *b, uint8_t *to,
    size_t len);
int nhrp_blob_get(struct rbuf in, struct nhrp_blob *b);

/* nhrp_send.c */
struct addr nhrp_own(const struct nhrp_iface *f, const struct addr *like);
bool nhrp_is_own(const struct nhrp_iface *f, const struct addr *a);
struct addr nhrp_own_nbma(const struct nhrp_iface *f,
    const struct nhrp_node *n);
uint16_t nhrp_hold(const struct nhrp_iface *f);
struct nhrp nhrp_header(const struct nhrp_iface *f,
    const struct nhrp_node *n, uint8_t type, const struct addr *src,
    const struct addr *dst);
struct nhrp_cie nhrp_own_cie(const struct nhrp_iface *f,
    const struct nhrp_node *n, const struct addr *proto, uint8_t prefix);
void nhrp_put_records(struct nhrp_out *o);
void nhrp_put_auth(const struct nhrp_iface *f, struct nhrp_out *o);
void nhrp_send(struct nhrp_engine *g, const struct nhrp_iface *f,
    const struct nhrp_node *n, struct nhrp_out *o);
void nhrp_send_error(struct nhrp_engine *g, const struct nhrp_rx *rx,
    enum nhrp_error code, uint16_t offset);
void nhrp_refused(struct nhrp_engine *g, const struct nhrp_iface *f,
    enum direction d, const struct nhrp_node *n, const char *stage,
    const char *code, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

/* nhrp_step.c */
void nhrp_input(struct nhrp_engine *g, const struct gre_nhrp *m);
/* The peer did not come up in time. */
void nhrp_input_late(struct nhrp_engine *g, const struct gre_nhrp *m);
void nhrp_input_raw(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *n, const struct endpoint *remote, struct rbuf raw);

/* nhrp_early.c: keep it for a second; false: there is no room */
bool nhrp_early_keep(struct nhrp_engine *g, const struct gre_nhrp *m);
/* The node is up: what it said before is heard now. */
void nhrp_early_come(struct nhrp_engine *g, const struct nhrp_node *n);
void nhrp_early_free_all(struct nhrp_engine *g);

/* nhrp_claim.c: who may claim what */
bool nhrp_address_ok(const struct nhrp_iface *f, const struct addr *a,
    char why[NHRP_WHY]);
bool nhrp_prefix_ok(const struct nhrp_iface *f, const struct prefix *p,
    char why[NHRP_WHY]);
bool nhrp_nbma_ok(const struct nhrp_iface *f, const struct nhrp_node *own,
    const struct addr *a, char why[NHRP_WHY]);
bool nhrp_claim_ok(const struct nhrp_iface *f, const struct nhrp_node *n,
    const struct prefix *p, char why[NHRP_WHY]);

/* nhrp_client.c: registration at servers */
void nhrp_server_init(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_server *s, const struct nhrp_nhs *conf);
void nhrp_server_fini(struct nhrp_engine *g, struct nhrp_server *s,
    bool tell);
/* Take the registration back, if there is one; no answer is awaited. */
void nhrp_server_leave(struct nhrp_engine *g, struct nhrp_server *s);
void nhrp_server_peer(struct nhrp_engine *g, struct nhrp_server *s,
    struct nhrp_node *n);
void nhrp_server_lost(struct nhrp_engine *g, struct nhrp_server *s,
    const char *why);
void nhrp_server_down(struct nhrp_engine *g, struct nhrp_server *s,
    const struct reason *r);
bool nhrp_server_leads(const struct nhrp_server *s,
    const struct nhrp_node *n);
struct nhrp_server *nhrp_server_of(struct nhrp_iface *f,
    const struct nhrp_node *n);
/* The server to ask: registered ones first; NULL: none is connected. */
struct nhrp_server *nhrp_server_best(struct nhrp_iface *f);
void nhrp_registration_reply(struct nhrp_engine *g, struct nhrp_rx *rx);
/* Servers without a peer take one that is there. */
void nhrp_servers_find(struct nhrp_engine *g, struct nhrp_iface *f);

/* nhrp_server.c: registrations at the hub */
void nhrp_registration_request(struct nhrp_engine *g, struct nhrp_rx *rx);
uint32_t nhrp_binding_hash(const struct chain *c);
struct nhrp_binding *nhrp_binding_find(const struct nhrp_iface *f,
    const struct addr *a);
void nhrp_binding_drop(struct nhrp_engine *g, struct nhrp_binding *b,
    const char *why, bool below);
void nhrp_binding_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o, const struct nhrp_blob *b);
void nhrp_binding_routes(struct nhrp_engine *g, struct nhrp_binding *b);
void nhrp_binding_adopt_route(struct nhrp_engine *g, struct nhrp_binding *b,
    const struct prefix *p);
/* Does its peer's certificate still allow it?  Else it is dropped. */
void nhrp_binding_judge(struct nhrp_engine *g, struct nhrp_binding *b);

/* nhrp_told.c */
void nhrp_told_add(struct nhrp_engine *g, struct nhrp_told **list,
    unsigned *n, unsigned max, const struct addr *requester,
    const struct prefix *p, uint64_t expires);
void nhrp_told_free(struct nhrp_told **list, unsigned *n);

/* nhrp_resolve.c */
void nhrp_resolution_request(struct nhrp_engine *g, struct nhrp_rx *rx);
void nhrp_resolution_reply(struct nhrp_engine *g, struct nhrp_rx *rx);
void nhrp_cut_request(struct nhrp_engine *g, struct nhrp_cut *c,
    struct nhrp_server *s);

/* nhrp_forward.c */
void nhrp_forward(struct nhrp_engine *g, struct nhrp_rx *rx,
    struct nhrp_node *to);
void nhrp_transit(struct nhrp_engine *g, struct nhrp_rx *rx);
bool nhrp_looped(const struct nhrp_rx *rx);

/* nhrp_cut.c, nhrp_cut_node.c */
struct nhrp_cut *nhrp_cut_for(const struct nhrp_iface *f,
    const struct addr *a);
struct nhrp_cut *nhrp_cut_by_id(const struct nhrp_iface *f, uint32_t id);
/* One that is up and goes through this neighbour. */
struct nhrp_cut *nhrp_cut_via(const struct nhrp_iface *f,
    const struct addr *via);
struct nhrp_cut *nhrp_cut_new(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *target);
/* What was refused is forgotten. */
void nhrp_cut_anew(struct nhrp_engine *g, struct nhrp_cut *c);
struct nhrp_cut *nhrp_cut_ask(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *target);
void nhrp_cut_link(struct nhrp_engine *g, struct nhrp_cut *c);
void nhrp_cut_up(struct nhrp_engine *g, struct nhrp_cut *c,
    struct nhrp_node *n);
void nhrp_cut_refuse(struct nhrp_engine *g, struct nhrp_cut *c,
    const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* It ends; disconnect: so does the connection that was made for it. */
void nhrp_cut_drop(struct nhrp_engine *g, struct nhrp_cut *c,
    const char *why, bool disconnect);
void nhrp_cut_node_up(struct nhrp_engine *g, struct nhrp_node *n);
/* Before it is there: shortcuts that were reached where it was go along, so
 * that the next answer, which says so, is nothing new. */
void nhrp_cut_node_moved(struct nhrp_engine *g, const struct nhrp_node *n,
    const struct endpoint *to);
void nhrp_cut_node_gone(struct nhrp_engine *g, struct nhrp_node *n,
    const char *why);
void nhrp_cut_failed(struct nhrp_engine *g, const struct ike_failed *m);
void nhrp_cut_made(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *n, const struct addr *nbma);
void nhrp_cut_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *map, const struct nhrp_blob *b,
    const struct prefix *p);
void nhrp_cut_wait(struct nhrp_engine *g, struct nhrp_cut *c,
    uint64_t ticket);
void nhrp_cut_refresh_after(struct nhrp_engine *g, struct nhrp_cut *c);
/* It is up: some looks at the counters come in its time. */
void nhrp_cut_look(const struct nhrp_cut *c);
void nhrp_cut_tell(struct nhrp_engine *g, struct nhrp_cut *c,
    const struct reason *why);
bool nhrp_cut_at_server(const struct nhrp_cut *c);

/* nhrp_fill.c */
void nhrp_fill_set(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *a);
void nhrp_fill_drop(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct addr *a, bool below);
void nhrp_fill_repoint(struct nhrp_engine *g, struct nhrp_iface *f);
void nhrp_fill_adopt(struct nhrp_engine *g, struct nhrp_iface *f,
    const struct nhrp_orphan *o);
void nhrp_need(struct nhrp_engine *g, const struct gre_resolve *m);

/* nhrp_purge.c */
void nhrp_purge_request(struct nhrp_engine *g, struct nhrp_rx *rx);
void nhrp_purge_reply(struct nhrp_engine *g, struct nhrp_rx *rx);
void nhrp_purge_send(struct nhrp_engine *g, struct nhrp_iface *f,
    struct nhrp_node *to, const struct addr *dst, const struct prefix *what,
    size_t n, uint32_t id, bool reply);
void nhrp_ask_free(struct nhrp_engine *g, struct nhrp_ask *a);

/* nhrp_redirect.c */
void nhrp_hairpin(struct nhrp_engine *g, const struct gre_hairpin *m);
void nhrp_traffic_indication(struct nhrp_engine *g, struct nhrp_rx *rx);

/* nhrp_fault.c */
void nhrp_error_indication(struct nhrp_engine *g, struct nhrp_rx *rx);

/* nhrp_view.c */
void nhrp_cut_entry(const struct nhrp_engine *g, const struct nhrp_cut *c,
    struct nhrp_entry *e);

#endif
