#ifndef NHRP_SIM_H
#define NHRP_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmvpn-nhrp/nhrp_engine.h"
#include "msg/types.h"
#include "wire/nhrp.h"

/*
 * A hub and spokes in one process: engines joined by a queue with a delay
 * and, when wanted, loss.  The simulator plays dmvpn-gre (peers, maps,
 * routes) and dmvpn-ike (connections come up or fail).  Same seed, same run.
 *
 * Site 0 is the hub 10.9.0.1 at 192.0.2.1, its LAN 10.0.0.0/16; site N is a
 * spoke 10.9.x.y with LAN 10.N.0.0/16 (N < 200) at 198.18.x.y.
 */
#define SIM_DELAY	2	/* ms */

struct sim_map {
	struct addr	address;
	uint16_t	peer;
	bool		multicast;
	size_t		len;
	uint8_t		blob[255];
};

struct sim_route {
	struct prefix	prefix;
	struct addr	via;
};

struct sim_peer {
	struct sim_site	*other;		/* NULL: free */
	uint16_t	 theirs;	/* our number there; 0: none (clear) */
	char		 connection[64];
};

struct sim_site {
	struct sim	*sim;
	size_t		 index;
	struct nhrp_engine *g;
	struct nhrp_interface_set conf;
	struct addr	 tunnel, nbma;
	struct endpoint	 nat;		/* addr.len > 0: how others see it */
	char		 identity[64];
	size_t		 n_blocks;
	struct prefix	 blocks[4];
	struct endpoint	 opened;	/* last mapping it opened */
	struct endpoint	 dialled;	/* last connection it wanted */
	struct endpoint	 peer_local;	/* of the last peer it stated */
	struct sim_peer	*peers;		/* by number - 1 */
	size_t		 n_peers;
	struct sim_map	*maps;
	size_t		 n_maps, cap_maps;
	uint32_t	*by_low;	/* index of a map + 1 */
	struct sim_route routes[64];
	size_t		 n_routes;
	bool		 lookup_fails;
	/* what was seen */
	unsigned	 n_registered, n_unregistered, n_up, n_down;
	unsigned	 n_refused, n_short_up, n_short_down, n_connect;
	unsigned	 n_redirect_out, n_sent[9], n_resolved;
	struct reason	 last;
	struct nhrp_entry entry;
	uint64_t	 sent_at[64];	/* the last registrations */
	uint32_t	 sent_id[64];
	struct nhrp	 last_sent;
	uint8_t		 last_bytes[NHRP_MAX];
	size_t		 last_len;
};

struct sim_item {
	uint64_t	 at;
	struct sim_site	*site;
	uint64_t	 ticket;	/* 0: an event */
	const struct msg_type *type;
	bool		 refuse;
	void		*body;
	uint8_t		*data;		/* of gre-nhrp, gre-hairpin */
	struct sim_item	*next;
};

struct sim {
	uint64_t	 now;
	uint32_t	 seed;
	unsigned	 loss;		/* percent */
	bool		 mute_hub;	/* drops what goes to it */
	bool		 ike_fails, ike_silent;	/* at once; never a word */
	size_t		 n;
	struct sim_site	*sites;
	struct sim_item	*head, **tail;
};

struct sim *sim_new(size_t spokes);
void sim_free(struct sim *s);
/* Fill the configuration of a site (conf may be changed before sim_start). */
void sim_start(struct sim *s);		/* sets interfaces, links spokes */
void sim_routed(struct sim *s);	/* the same, the hub routes networks; and
				 * a second later */
void sim_set(struct sim_site *x);
void sim_link(struct sim_site *a, struct sim_site *b,
    const char *connection, const char *owner);
void sim_unlink(struct sim_site *a, struct sim_site *b);
void sim_run(struct sim *s, uint64_t ms);
/* A packet from spoke a's LAN to b's LAN as the hub sees it. */
void sim_hairpin(struct sim_site *a, struct sim_site *b);
struct addr sim_lan(const struct sim_site *x, uint8_t host);
struct prefix sim_subnet(const struct sim_site *x);
struct sim_map *sim_map(struct sim_site *x, const struct addr *a);
struct sim_route *sim_route(struct sim_site *x, const struct prefix *p);
/* The site that a map of x for this address leads to; NULL: none. */
struct sim_site *sim_leads(struct sim_site *x, const struct addr *a);
uint16_t sim_number(struct sim_site *x, const struct sim_site *other);
/* A raw packet into x as if from its peer `from`. */
void sim_inject(struct sim_site *x, uint16_t from, const void *p,
    size_t len);
/* The engine of x is killed and starts anew; dmvpn-gre lived on. */
void sim_restart(struct sim_site *x);
uint64_t sim_counter(struct sim_site *x, const char *name);

#endif
