#ifndef IKE_INT_H
#define IKE_INT_H

#include <stdio.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/chain.h"
#include "base/secret.h"
#include "crypto/blocks.h"
#include "crypto/cert.h"
#include "crypto/dh.h"
#include "crypto/ident.h"
#include "crypto/sk.h"
#include "ike_engine.h"
#include "ike_timer.h"
#include "wire/ike_proposal.h"

/*
 * Inside the engine.  An IKE SA is a struct ike_isa, a CHILD_SA a struct
 * ike_csa, an identity on a path a struct ike_peer.  Each IKE SA has two
 * exchanges: out, the request we sent, and in, the one we answer; the step
 * table (ike_step.c) says what each may do next.
 */
#define IKE_NONCE_LEN		32
#define IKE_TS_KEPT		16	/* selectors a side, as in gre-sa-add */
#define IKE_CHILDREN_MAX	8	/* of one IKE SA, for all senders */
#define IKE_QUEUES_MAX		16	/* and of one sender each (RFC 9611) */
#define IKE_CHILDREN_MOST	(IKE_CHILDREN_MAX + 2 * IKE_QUEUES_MAX)
#define IKE_TASKS_MAX		32	/* waiting on one IKE SA */
#define IKE_NOTIFIES_MAX	48	/* looked at in one message */
#define IKE_CERTS_MAX		8	/* of a chain in one message */
#define IKE_WIRE_MAX		15360	/* one datagram, as in gre-ike-send */
#define IKE_CLEAR_MAX		49152	/* payloads of one message */
#define IKE_PEERS_MAX		49151
#define IKE_BUCKETS		4096	/* of peers, by identity; of SAs */
#define IKE_PORT		500
#define IKE_PORT_NAT		4500
#define IKE_DRAIN		5000	/* ms for packets on their way to an SA */
#define IKE_VENDOR_LEN		36	/* 16 octets of name, 20 of hash */
#define IKE_INIT_MAX		12288	/* as in pki-sign */
#define IKE_RESTARTS_MAX	5	/* cookies and groups, RFC 7296, 2.6.1 */

#define P(x) (1u << (IKE_P_##x - IKE_P_SA))

/* States of IKE SAs, then of exchanges.  Names are for traces. */
#define IKE_PHASES(X)							\
	X(IKE_IDLE, 0, "idle")						\
	/* IKE SA */							\
	X(IKE_CONNECTING, 1, "connecting")				\
	X(IKE_HALF_OPEN, 2, "half-open")				\
	X(IKE_UP, 3, "up")						\
	X(IKE_CHILDLESS, 4, "childless")				\
	X(IKE_REPLACED, 5, "replaced")					\
	X(IKE_CLOSING, 6, "closing")					\
	X(IKE_DEAD, 7, "dead")						\
	/* exchange we began */						\
	X(IKE_INIT_SENT, 16, "init-sent")				\
	X(IKE_AUTH_SIGN, 17, "auth-sign")				\
	X(IKE_AUTH_SENT, 18, "auth-sent")				\
	X(IKE_AUTH_CHECK, 19, "auth-check")				\
	X(IKE_AUTH_INSTALL, 21, "auth-install")				\
	X(IKE_CHILD_SENT, 22, "child-sent")				\
	X(IKE_CHILD_INSTALL, 24, "child-install")			\
	X(IKE_REKEY_SENT, 25, "rekey-sent")				\
	X(IKE_INFO_SENT, 26, "info-sent")				\
	/* exchange we answer */					\
	X(IKE_R_CHECK, 32, "r-check")					\
	X(IKE_R_SIGN, 33, "r-sign")					\
	X(IKE_R_INSTALL, 35, "r-install")				\
	X(IKE_R_CHILD_INSTALL, 36, "r-child-install")
enum ike_phase { IKE_PHASES(NAME_ENUM) };
extern const struct name ike_phase_names[];

/* What an exchange or a task is about. */
#define IKE_WHATS(X)							\
	X(IKE_DO_NOTHING, 0, "nothing")					\
	X(IKE_DO_CONNECT, 1, "connect")					\
	X(IKE_DO_CHILD, 2, "child")		/* one more, a first */	\
	X(IKE_DO_REKEY_CHILD, 3, "rekey-child")				\
	X(IKE_DO_REKEY, 4, "rekey")					\
	X(IKE_DO_DELETE_CHILD, 5, "delete-child")			\
	X(IKE_DO_DELETE, 6, "delete")					\
	X(IKE_DO_PROBE, 7, "probe")					\
	X(IKE_DO_QUEUE, 8, "queue")		/* one more, of a sender */ \
	X(IKE_DO_MOVE, 9, "move")		/* our address changed */
enum ike_what { IKE_WHATS(NAME_ENUM) };
extern const struct name ike_what_names[];

/* ---- what users ask for ---- */

struct ike_cred {			/* an identity of the agent */
	char			 name[64];
	bool			 ready;
	bool			 asking;
	bool			 paging;	/* by pki-certificate */
	bool			 stapling;	/* pki-staple was asked for */
	bool			 has_staple;	/* as the agent says */
	struct secret		*staple;	/* OCSP response about us */
	uint64_t		 ticket;	/* of what was asked last */
	enum pki_method		 method;
	struct ident		 id;
	struct cert_set		 chain;
	struct cert_set		 anchors;
	struct reason		 why;	/* not ready: the agent's reason */
	bool			 more_anchors;	/* which list is being read */
	uint8_t			 more_index;
	struct crl_set		 crls;		/* ike_crl.c */
	struct ike_crl_read	*crl_read;	/* while they come */
	struct ike_model	*model;		/* ike_kept.c; NULL: none */
	uint8_t			 n_crls;	/* as the agent says */
	uint64_t		 judged;	/* counts changes */
	uint64_t		 listed;	/* the one that lists were looked up for */
	struct ike_timer	 judge;		/* SAs are judged again */
	struct ike_cred		*next;
};

struct ike_profile {
	struct ike_profile_set	 set;
	struct ike_proposal	 ike[8];
	size_t			 n_ike;
	struct ike_proposal	 esp[8];
	size_t			 n_esp;
	struct ike_cred		*cred;
	bool			 gone;	/* deleted; SAs still point here */
	unsigned		 users;	/* IKE SAs */
	struct ike_profile	*next;
};

struct ike_isa;
struct ike_peer;

struct ike_conn {			/* a connection to keep up */
	struct ike_connection_set set;
	struct ike_profile	*profile;
	struct ike_isa		*isa;	/* trying, or up */
	struct ike_timer	 retry;
	uint32_t		 tries;
	struct reason		 why;	/* of the last failure */
	struct ike_conn		*next;
};

/* ---- SAs ---- */

struct ike_csa {
	struct ike_isa		*isa;
	struct ike_peer		*peer;
	uint32_t		 spi_in;
	uint32_t		 spi_out;
	bool			 sent;		/* gre-sa-add went out */
	bool			 present;	/* dmvpn-gre still has it */
	bool			 lost;		/* it had it, and has not */
	bool			 installed;
	bool			 ours;		/* we began its exchange */
	bool			 deleting;	/* DELETE is on its way */
	bool			 rekeying;	/* our request is on its way */
	bool			 replaced;	/* our rekey of it is done */
	bool			 doomed;	/* the peer will close it */
	bool			 standby;	/* does not send yet */
	uint8_t			 queue;		/* of this sender; 0: of all */
	bool			 esn;
	uint8_t			 n_local, n_remote;
	enum sa_mode		 mode;
	enum esp_cipher		 cipher;
	uint64_t		 born;
	struct ike_chosen	*chosen;
	struct ike_ts		*local;		/* n_local + n_remote of them */
	struct ike_ts		*remote;	/* not freed: behind local */
	struct secret		*lowest;	/* nonce of its exchange */
	uint32_t		 replaces;	/* spi_in of the one rekeyed */
	uint32_t		 rival;		/* peer's rekey of this one */
	struct ike_timer	 soft;
	struct ike_timer	 hard;
	struct chain		 chain;		/* by spi_in */
	struct ike_csa		*prev, *next;	/* of the IKE SA */
};

/* A sealed message, as datagrams to send again. */
struct ike_flight {
	size_t		 n;
	size_t		 total;
	uint8_t		*b;		/* not freed: behind len */
	uint16_t	 len[];
};

/* Fragments of one message (RFC 7383). */
struct ike_parts {
	uint32_t	 id;
	uint16_t	 total;
	uint16_t	 have;
	uint8_t		 first;		/* type of the first payload */
	size_t		 bytes;
	uint64_t	 since;
	struct secret	*part[IKE_FRAGMENTS_MAX];
};

struct ike_task {
	enum ike_what	 what;
	uint32_t	 spi;		/* of the child, our inbound; a queue */
	uint64_t	 ticket;	/* of a probe */
	struct ike_task	*next;
};

struct ike_exchange_state {
	enum ike_phase	 phase;
	enum ike_what	 what;
	uint8_t		 exchange;
	bool		 again;		/* with the group the peer asked for */
	uint16_t	 notify;	/* error to put into the answer */
	uint32_t	 id;
	uint64_t	 ticket;	/* answer that is awaited; 0: none */
	struct ike_csa	*child;		/* being made */
	struct ike_isa	*heir;		/* new IKE SA being made */
	uint32_t	 old;		/* spi_in of what is rekeyed, deleted;
					 * or a queue, below all SPIs */
	uint32_t	 rival;		/* spi_in of the peer's rekey of old */
	struct secret	*rival_lowest;	/* and its lowest nonce */
	struct dh	*dh;
	struct secret	*nonce;		/* ours */
	uint64_t	 since;
	uint64_t	 probe;		/* ticket of ops.probed */
};

struct ike_auth_state {			/* gone when the SA is up */
	struct secret	*init_own;	/* IKE_SA_INIT messages, as sent */
	struct secret	*init_peer;
	struct secret	*cookie;
	struct sk_proof	 proof;
	uint8_t		 own_method;
	uint8_t		 own[64];	/* prf(SK_p, ID body): ours */
	uint8_t		 peer[64];
	struct secret	*peer_auth;	/* AUTH data as it came */
	struct secret	*tsi, *tsr, *sa; /* payload bodies kept for later */
	uint16_t	 hashes[8];	/* what the peer verifies */
	size_t		 n_hashes;
	bool		 transport;	/* peer said USE_TRANSPORT_MODE */
	bool		 initial_contact;
	bool		 ocsp_wanted;	/* CERTREQ of OCSP (RFC 4806) */
	bool		 in_vain;	/* refused when the agent answers */
	bool		 resources;	/* it said SA_RESOURCE_INFO */
	uint16_t	 group;
	unsigned	 restarts;
	uint16_t	 child_error;	/* notify in place of the child */
	uint8_t		 dup_key[16];	/* of the IKE_SA_INIT request */
	UT_hash_handle	 hh;		/* by dup_key */
	struct ike_isa	*isa;
};

struct ike_isa {
	struct ike_engine	*g;
	enum ike_phase		 phase;
	bool			 initiator;	/* the original one */
	bool			 began;		/* we began its first one */
	uint64_t		 spi_i, spi_r;
	uint64_t		 own_spi;
	struct chain		 chain;		/* by own_spi */
	struct endpoint		 local, remote;
	struct ike_profile	*profile;	/* responder: once it is known */
	struct ike_conn		*conn;
	struct ike_peer		*peer;
	const struct ident	*ident;		/* of the peer */
	const struct blocks	*blocks;
	struct ike_kept		*kept;		/* certificates of the peer */
	uint64_t		 judged;	/* by which state of cred */
	struct ike_chosen	*chosen;
	struct sk_suite		 suite;
	struct sk_kept		*keys;		/* NULL: not made yet */
	uint64_t		 iv_count;
	struct secret		*ni, *nr;	/* until it is up */
	bool			 psk;
	bool			 nat_local, nat_remote;
	bool			 own_kind;	/* speaks our vendor id */
	bool			 fragments;	/* both do RFC 7383 */
	bool			 crossing;	/* peer began at once with us */
	bool			 announced;	/* ike-up was said */
	bool			 half_open;	/* counted as such */
	bool			 trying;	/* in g->tries */
	bool			 dead_peer;	/* does not answer */
	bool			 losing;	/* the other one survives */
	uint8_t			 queues;	/* with SAs of their own, at
						 * most; 0: it refuses */
	uint8_t			 queue_tries;
	uint16_t		 pfs;		/* group the peer's children need */
	uint64_t		 made, born;	/* born: as it came up */
	uint64_t		 last_in, told;	/* told: ike-heard */
	uint64_t		 rekey_at;
	uint32_t		 next_out, next_in;
	struct ike_flight	*request;	/* waits for its answer */
	struct ike_flight	*answer;	/* the last one */
	struct ike_parts	*parts;
	struct ike_exchange_state out, in;
	struct ike_auth_state	*auth;
	struct ike_task		*tasks;
	struct ike_csa		*children;
	struct ike_timer	 resend, life, wait, again;
	uint32_t		 resend_ms;
	uint32_t		 waiting_told;	/* 1 + out.phase: it is silent */
	int			 unsent;	/* errno of the last datagram */
	unsigned		 rekeys;
	uint64_t		 resend_end;
	uint64_t		 origin;	/* own SPI of what it rekeyed */
	struct ike_isa		*heir;		/* who has our children */
	struct ike_isa		*rival;		/* peer's rekey of this SA */
	uint64_t		 rekeys_since;	/* the peer's, also of before */
	struct secret		*lowest;	/* of its nonces */
	struct reason		*why;		/* ike_why; NULL: not said */
	struct ike_isa		*peer_next;	/* of the same peer */
	struct ike_isa		*prev, *next;	/* of the engine */
	struct ike_isa		*at_prev, *at_next;	/* of its bucket */
	struct ike_isa		*try_prev, *try_next;
};

/* An SA in dmvpn-gre that an earlier run left. */
struct ike_orphan {
	uint32_t		 spi_in;
	bool			 queued;	/* of one sender */
	struct ike_orphan	*next;
};

struct ike_peer {
	uint16_t		 number;
	bool			 stated;	/* dmvpn-gre knows it */
	bool			 orphan;	/* left by an earlier run */
	uint32_t		 denied;	/* hash of what was stated so */
	const char		*profile;	/* not freed: behind identity */
	uint64_t		 rate;		/* as stated */
	uint64_t		 changed;	/* a living SA gave way to another
						 * endpoint's; 0: never */
	uint64_t		 missed;	/* given up: from then on a sign
						 * of it is worth a call; 0 */
	struct endpoint		 remote, local;
	enum gre_encap		 encap;
	struct ike_isa		*isa;		/* the one that speaks for it */
	struct ike_isa		*isas;		/* all of them, by peer_next */
	struct ike_orphan	*orphans;
	struct ike_timer	 life;		/* orphans: then they go */
	struct ike_timer	 call;		/* orphans: we call the peer */
	struct ike_peer		*same;		/* of its bucket */
	char			 identity[];
};

/* Who waits for the answer to ops.call. */
struct ike_wait {
	uint64_t		 ticket;
	uint64_t		 spi;		/* own SPI of the IKE SA; 0: cred */
	bool			 in;		/* its in exchange */
	char			 cred[64];
	UT_hash_handle		 hh;
};

struct ike_engine {
	struct ike_ops		 ops;
	struct ike_tune		 tune;
	uint64_t		 now;
	int64_t			 wall;
	uint64_t		 last_ticket;
	uint64_t		 generation;
	uint64_t		 counters[IKE_C_MAX];
	int			 unsent;	/* errno of what was sent last */
	struct ike_timer	**heap;
	size_t			 n_heap, heap_cap, n_timers;
	struct ike_cred		*creds;
	struct ike_profile	*profiles;
	struct ike_conn		*conns;
	struct ike_isa		*isas;		/* list */
	struct ike_isa		*tries;		/* ours that are not up yet */
	struct ike_isa		*dead;		/* to be freed */
	struct chains		 by_spi;
	struct ike_isa		*by_remote[IKE_BUCKETS];
	struct ike_chosen	*chosen;	/* all */
	struct ike_auth_state	*by_init;
	struct chains		 by_child;
	struct ike_peer		*peers[IKE_PEERS_MAX + 1];
	size_t			 n_peers;
	struct ike_peer		*by_identity[IKE_BUCKETS];
	struct ike_wait		*waits;
	uint64_t		 taken[IKE_PEERS_MAX / 64 + 1];
	bool			 gre_up;
	uint8_t			 senders, receivers;	/* of dmvpn-gre */
	size_t			 n_isas, n_half_open;
	uint8_t			 cookie_key[2][32];	/* this, the one before */
	uint8_t			 cookie_version;
	uint64_t		 cookie_since;
	struct reason		 spare;		/* when memory is short */
	uint64_t		 error_window;	/* rate of unprotected errors */
	unsigned		 error_count;
	uint8_t			 clear[IKE_CLEAR_MAX];
	uint8_t			 opened[IKE_MESSAGE_MAX];
	uint8_t			 wire[IKE_CLEAR_MAX + 256];
};

/* ---- a message that came in ---- */

struct ike_in {
	struct ike_header	 h;
	struct endpoint		 local, remote;
	struct rbuf		 raw;		/* the datagram */
	struct rbuf		 clear;		/* payloads inside SK */
	uint8_t			 first;		/* type of the first of them */
	uint32_t		 present;	/* P() bits */
	struct rbuf		 body[IKE_P_CP - IKE_P_SA + 1];
	struct rbuf		 certs[IKE_CERTS_MAX];
	size_t			 n_certs;
	bool			 ocsp_wanted;	/* CERTREQ of OCSP content */
	struct ike_notify	 notifies[IKE_NOTIFIES_MAX];
	size_t			 n_notifies;
	struct rbuf		 deletes[IKE_CHILDREN_MAX];
	size_t			 n_deletes;
	bool			 own_kind;	/* our vendor id */
	struct rbuf		 own_hash;
	uint8_t			 critical;	/* unknown critical payload */
	bool			 broken;	/* authentic, but bad syntax */
};

/* ---- a step ---- */

enum ike_result { IKE_OK, IKE_RETRY, IKE_WAIT, IKE_FAIL };

struct ike_ctx {
	struct ike_engine	*g;
	struct ike_isa		*isa;
	struct ike_exchange_state *x;
	const struct ike_in	*in;	/* messages */
	const void		*m;	/* answers */
	struct reason		 why;	/* filled with IKE_FAIL */
	uint16_t		 notify; /* error to answer; 0: none */
	uint8_t			 notify_data[2];
	size_t			 notify_len;
	uint32_t		 dead[IKE_CHILDREN_MOST]; /* for the answer */
	size_t			 n_dead;
	struct err		 e;
};

/* ike_step.c: the one place that picks the next state. */
enum ike_kind { IKE_REQUEST, IKE_RESPONSE, IKE_ANSWER };
#define IKE_ON_SIGNED		256
#define IKE_ON_INSTALLED	257
void ike_step_request(struct ike_engine *g, struct ike_isa *s,
    const struct ike_in *in);
void ike_step_response(struct ike_engine *g, struct ike_isa *s,
    const struct ike_in *in);
void ike_step_answer(struct ike_engine *g, struct ike_isa *s, bool in,
    const void *m, const struct reason *why);

/* ike_engine.c */
int ike_random(struct ike_engine *g, void *to, size_t len);
/* base plus up to a tenth of it */
uint64_t ike_jitter(struct ike_engine *g, uint64_t base);
void ike_note(struct ike_engine *g, bool warn, const char *id,
    const struct endpoint *remote, const char *why);
uint64_t ike_call(struct ike_engine *g, struct ike_isa *s, bool in,
    const struct msg_type *t, const void *m);	/* returns the ticket */
void ike_tell(struct ike_engine *g, const struct msg_type *t, const void *m);

/* ike_msg.c: what goes out and comes in */
struct ike_out {
	struct wbuf	 w;
	struct ike_chain c;
};
void ike_out_begin(struct ike_engine *g, struct ike_out *o);
/* A message without SK, sent at once; copy (may be NULL) gets the octets. */
int ike_send_clear(struct ike_engine *g, const struct endpoint *local,
    const struct endpoint *remote, const struct ike_header *h,
    struct ike_out *o, struct secret **copy);
/* Is what came large enough for a notify with so many octets of data?  One
 * whose address may be forged is never sent more than it sent (IKE-22). */
bool ike_may_notify(const struct ike_in *in, size_t data);
void ike_send_octets(struct ike_engine *g, const struct endpoint *local,
    const struct endpoint *remote, const struct secret *octets);
/* The next request of an IKE SA; resent until answered. */
int ike_send_request(struct ike_isa *s, uint8_t exchange, struct ike_out *o,
    uint64_t total_ms);
/* The answer to the request that is being handled. */
int ike_send_answer(struct ike_isa *s, uint8_t exchange, struct ike_out *o);
void ike_answer_notify(struct ike_isa *s, uint16_t type, const void *data,
    size_t len);
void ike_flight_send(struct ike_isa *s, const struct ike_flight *f);
void ike_request_done(struct ike_isa *s);
/* Decrypt what in->raw holds after the header. 1: payloads are in in->clear;
 * 0: a fragment, more are to come; -1: drop. */
int ike_open(struct ike_isa *s, struct ike_in *in, struct rbuf payloads,
    struct err *e);
void ike_parts_free(struct ike_parts *p);
void ike_trace(struct ike_engine *g, enum direction d, struct ike_isa *s,
    const struct endpoint *local, const struct endpoint *remote,
    struct rbuf data, uint8_t first, struct rbuf clear, const char *drop);

/* ike_in.c: find the payloads of a message. -1: INVALID_SYNTAX. */
int ike_in_parse(struct ike_in *in, uint8_t first, struct rbuf payloads,
    struct err *e);
const struct ike_notify *ike_in_notify(const struct ike_in *in,
    uint16_t type);
/* The first error notify, 0 when there is none. */
uint16_t ike_in_error(const struct ike_in *in);
static inline struct rbuf
ike_in_body(const struct ike_in *in, uint8_t type)
{
	return in->body[type - IKE_P_SA];
}

/* ike_nat.c: NAT detection and cookies */
void ike_nat_put(struct ike_isa *s, struct ike_out *o, bool fake);
void ike_nat_judge(struct ike_isa *s, const struct ike_in *in);
void ike_vendor_put(struct ike_isa *s, struct ike_out *o);
extern const uint8_t ike_vendor_name[16];
/* 1: go on, 0: a cookie was asked for, or nothing done */
int ike_cookie_check(struct ike_engine *g, const struct ike_in *in);

/* ike_isa.c: life and death */
struct ike_isa *ike_isa_new(struct ike_engine *g, bool initiator,
    const struct endpoint *local, const struct endpoint *remote);
uint32_t ike_isa_hash(const struct chain *c);
struct ike_isa *ike_isa_find(struct ike_engine *g, uint64_t own_spi);
/* Why it ends: room for it, never NULL; was it said; what was said. */
struct reason *ike_why(struct ike_isa *s);
bool ike_why_said(const struct ike_isa *s);
const struct reason *ike_why_of(const struct ike_isa *s);
/* All whose remote is there, and some others, are linked by at_next. */
struct ike_isa **ike_isas_at(struct ike_engine *g, const struct addr *a);
void ike_isa_set_remote(struct ike_isa *s, const struct endpoint *remote);
/* Those that are to take its place are where it is. */
void ike_isa_lead(const struct ike_isa *s);
void ike_isa_set_profile(struct ike_isa *s, struct ike_profile *p);
void ike_isa_up(struct ike_isa *s);
/* It ends: children go, the peer too when nobody else speaks for it, and
 * subscribers are told s->why.  Memory is freed by ike_isa_sweep. */
void ike_isa_die(struct ike_isa *s);
void ike_isa_sweep(struct ike_engine *g);
void ike_isa_free(struct ike_isa *s);
/* ike_chosen.c: what was chosen, without its SPI, is shared by all who chose
 * so; for reading only.  -1: no memory, and *kept is as it was. */
int ike_chosen_keep(struct ike_engine *g, struct ike_chosen **kept,
    const struct ike_proposal *p);
const struct ike_proposal *ike_chosen(const struct ike_chosen *kept);
void ike_chosen_release(struct ike_engine *g, struct ike_chosen *k);
int ike_isa_keys(struct ike_isa *s, struct rbuf shared, uint16_t old_prf,
    struct rbuf old_d, struct err *e);
void ike_exchange_clear(struct ike_isa *s, struct ike_exchange_state *x);
void ike_isa_answered(struct ike_isa *s);	/* free what AUTH needed */
void ike_isa_adopt(struct ike_isa *from, struct ike_isa *to);
bool ike_isa_live(const struct ike_isa *s);

/* ike_init.c */
void ike_init_begin(struct ike_isa *s);
void ike_init_packet(struct ike_engine *g, struct ike_in *in);
enum ike_result ike_init_request(struct ike_ctx *c);
enum ike_result ike_init_reply(struct ike_ctx *c);
enum ike_result ike_init_refused(struct ike_ctx *c);

/* ike_auth.c, ike_auth_r.c, ike_verify.c */
enum ike_result ike_auth_signed(struct ike_ctx *c);
enum ike_result ike_auth_reply(struct ike_ctx *c);
enum ike_result ike_auth_refused(struct ike_ctx *c);
enum ike_result ike_auth_checked(struct ike_ctx *c);
enum ike_result ike_auth_installed(struct ike_ctx *c);
enum ike_result ike_r_auth(struct ike_ctx *c);
enum ike_result ike_r_eap(struct ike_ctx *c);
enum ike_result ike_r_checked(struct ike_ctx *c);
enum ike_result ike_r_signed(struct ike_ctx *c);
enum ike_result ike_r_installed(struct ike_ctx *c);
int ike_auth_mac(struct ike_isa *s, bool of_initiator, struct rbuf id_body,
    uint8_t *out, struct err *e);
uint64_t ike_auth_sign(struct ike_isa *s, bool in);
uint64_t ike_auth_ask_psk(struct ike_isa *s, bool in);
bool ike_auth_psk_equal(struct ike_isa *s, const struct pki_sign_reply *r);
int ike_auth_keep_peer(struct ike_isa *s, const struct ike_in *in,
    uint8_t id_payload, struct ike_ctx *c);
enum ike_result ike_auth_verify(struct ike_ctx *c, uint8_t id_payload);
/* 0: the chain is good for this peer; its blocks are kept.  -1: *why, of
 * code "" when memory was short. */
struct ike_stapled;
int ike_auth_judge(struct ike_isa *s, const struct cert_set *chain,
    const struct ike_stapled *ocsp, struct reason *why);
void ike_auth_put_own(struct ike_isa *s, struct ike_out *o,
    const struct pki_sign_reply *r);
void ike_auth_put_certreq(const struct ike_profile *p, struct ike_out *o);
int ike_auth_keep_child(struct ike_isa *s, const struct ike_in *in);
void ike_auth_read_notifies(struct ike_isa *s, const struct ike_in *in);
struct rbuf ike_secret_view(const struct secret *s);

/* ike_narrow.c: selectors.  Pure. */
struct ike_ts ike_ts_of_range(const struct addr *first,
    const struct addr *last, uint8_t protocol);
struct ike_ts ike_ts_of_prefix(const struct prefix *p);
bool ike_ts_inside(const struct ike_ts *inner, const struct ike_ts *outer);
bool ike_ts_common(const struct ike_ts *a, const struct ike_ts *b,
    struct ike_ts *out);
/* Read a payload's selectors, at most IKE_TS_KEPT; unknown types are left
 * out.  -1: malformed. */
int ike_ts_read(struct rbuf body, struct ike_ts *ts, size_t *n,
    struct err *e);
const char *ike_ts_list(const struct ike_ts *ts, size_t n, char *out,
    size_t out_len);
/* What of offered is allowed; returns the number kept in out, at most
 * IKE_TS_KEPT, none of them inside another. */
size_t ike_ts_narrow(const struct ike_ts *offered, size_t n_offered,
    const struct ike_ts *allowed, size_t n_allowed, struct ike_ts *out);

/* ike_claim.c: without blocks and remote-ts, what peers ask for is theirs if
 * nobody else has it.  Returns how many of ts are kept; none: why says it. */
size_t ike_claim_keep(struct ike_ctx *c, struct ike_ts *ts, size_t n);

/* ike_child.c: CHILD_SAs */
struct ike_csa *ike_csa_new(struct ike_isa *s, bool ours, uint8_t queue);
uint32_t ike_csa_hash(const struct chain *c);
struct ike_csa *ike_csa_by_spi(struct ike_engine *g, uint32_t spi_in);
void ike_csa_free(struct ike_csa *c);		/* says nothing to anybody */
struct ike_csa *ike_csa_find(struct ike_isa *s, uint32_t spi_in);
struct ike_csa *ike_csa_find_out(struct ike_isa *s, uint32_t spi_out);
/* dmvpn-gre forgets it, after grace ms; then freed. */
void ike_csa_remove(struct ike_csa *c, uint32_t grace);
/* What we ask for.  group 0: no KE.  like: the child it replaces, or NULL. */
int ike_child_wish(struct ike_isa *s, struct ike_csa *c,
    const struct ike_csa *like);
void ike_child_put_sa(struct ike_isa *s, struct ike_csa *c,
    struct ike_out *o, uint16_t group);
/* The one that was chosen. */
void ike_child_put_chosen(struct ike_csa *c, struct ike_out *o);
void ike_child_put_ts(struct ike_csa *c, struct ike_out *o);
/* Responder: choose and narrow; -1 and c->notify, c->why. */
int ike_child_choose(struct ike_ctx *c, struct ike_csa *child,
    struct rbuf sa, struct rbuf tsi, struct rbuf tsr, bool transport,
    bool in_auth, uint16_t group);
/* Initiator: is the answer within what we asked for? */
int ike_child_accept(struct ike_ctx *c, struct ike_csa *child,
    struct rbuf sa, struct rbuf tsi, struct rbuf tsr, bool transport,
    bool in_auth);
/* Keys, and gre-sa-add; returns the ticket, 0 on failure. */
uint64_t ike_child_install(struct ike_isa *s, bool in, struct ike_csa *c,
    struct rbuf shared, struct rbuf ni, struct rbuf nr, bool standby,
    struct err *e);
void ike_child_up(struct ike_csa *c);
void ike_child_use(struct ike_csa *c);
void ike_child_text(const struct ike_csa *c, struct ike_child *out,
    uint64_t now);

/* ike_create.c: CREATE_CHILD_SA for children; ike_rekey.c: for IKE SAs */
struct secret *ike_nonce_new(struct ike_engine *g);	/* NULL: no memory */
/* x->dh: our public value for this group. */
int ike_dh_new(struct ike_engine *g, struct ike_exchange_state *x,
    uint16_t group);
int ike_create_begin(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint16_t group);
enum ike_result ike_create_request(struct ike_ctx *c);
enum ike_result ike_create_refuse(struct ike_ctx *c);
enum ike_result ike_create_r_installed(struct ike_ctx *c);
enum ike_result ike_create_reply(struct ike_ctx *c);
enum ike_result ike_create_refused(struct ike_ctx *c);
enum ike_result ike_create_installed(struct ike_ctx *c);
int ike_rekey_begin(struct ike_isa *s, uint16_t group);
enum ike_result ike_rekey_request(struct ike_ctx *c);
enum ike_result ike_rekey_reply(struct ike_ctx *c);
enum ike_result ike_rekey_refused(struct ike_ctx *c);
/* The peer uses the IKE SA of its rekey: it has won. */
void ike_rekey_claimed(struct ike_isa *s, const struct ike_in *in);
/* The lower of two nonces, octet by octet (RFC 7296, 2.8.1). */
int ike_nonce_cmp(const struct secret *a, const struct secret *b);
struct secret *ike_nonce_lowest(const struct secret *a, struct rbuf b);

/* ike_info.c: INFORMATIONAL */
int ike_info_begin(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint64_t ticket);
enum ike_result ike_info_request(struct ike_ctx *c);
enum ike_result ike_info_reply(struct ike_ctx *c);

/* ike_move.c: addresses that change under an IKE SA.  May the peer say that
 * it is elsewhere, NAT or none? */
bool ike_move_follows(const struct ike_isa *s);
/* Timer of a connection that is up: are we elsewhere? */
void ike_move_look(struct ike_engine *g, struct ike_conn *c);
void ike_move_later(struct ike_engine *g, struct ike_conn *c);
void ike_move_put(struct ike_isa *s, struct ike_out *o);
void ike_move_request(struct ike_isa *s, const struct ike_in *in,
    struct ike_out *o);
void ike_move_reply(struct ike_isa *s, const struct ike_in *in);

/* ike_task.c: one request at a time */
void ike_task_add(struct ike_isa *s, enum ike_what what, uint32_t spi,
    uint64_t ticket);
void ike_task_run(struct ike_isa *s);
void ike_task_drop(struct ike_isa *s);

/* ike_crl.c: the agent's revocation lists are read, then the credential is
 * ready, and the peers that are up are judged again. */
int ike_crl_init(struct ike_engine *g, struct ike_cred *k);
void ike_crl_fini(struct ike_engine *g, struct ike_cred *k);
void ike_crl_begin(struct ike_engine *g, struct ike_cred *k);
void ike_crl_stop(struct ike_cred *k);		/* what has come is dropped */
bool ike_crl_reading(const struct ike_cred *k);
void ike_crl_answer(struct ike_engine *g, struct ike_cred *k,
    const struct pki_crl_reply *r);

/* ike_staple.c: OCSP responses in IKE (RFC 4806).  Ours comes from the agent
 * before its revocation lists; nothing is fetched here. */
struct ike_stapled {
	struct rbuf	 response;	/* the peer's; empty: none came */
	int64_t		 at;		/* wall time when it came */
};
void ike_staple_begin(struct ike_engine *g, struct ike_cred *k);
void ike_staple_answer(struct ike_engine *g, struct ike_cred *k,
    const struct pki_staple_reply *r);
void ike_staple_ask(const struct ike_profile *p, struct ike_out *o);
void ike_staple_put(const struct ike_isa *s, struct ike_out *o);
struct ike_stapled ike_staple_of(const struct ike_isa *s,
    const struct ike_in *in);

/* ike_kept.c: what a peer showed, to be judged again later. */
struct ike_certs {
	struct cert_set		 certs;
	struct ike_stapled	 ocsp;		/* borrows from room */
	uint8_t			*room;
};
int ike_kept_take(struct ike_isa *s, const struct cert_set *chain,
    const struct ike_stapled *ocsp);
/* ike_certs_fini it, also after -1. */
int ike_kept_read(const struct ike_kept *k, struct ike_certs *out);
void ike_certs_fini(struct ike_certs *c);
void ike_kept_free(struct ike_kept *k);		/* NULL is fine */
void ike_model_release(struct ike_model *m);	/* one user less */

/* ike_profile.c */
struct ike_profile *ike_profile_find(struct ike_engine *g, const char *name);
/* The n-th profile that answers initiators at this address, or NULL. */
struct ike_profile *ike_profile_accepting(struct ike_engine *g,
    const struct addr *local, struct ike_profile *after);
void ike_profile_release(struct ike_engine *g, struct ike_profile *p);
void ike_profile_free_all(struct ike_engine *g);
void ike_cred_ask(struct ike_engine *g, struct ike_cred *k);
void ike_cred_call(struct ike_engine *g, struct ike_cred *k,
    const struct msg_type *t, const void *m);
void ike_cred_ready(struct ike_engine *g, struct ike_cred *k);
void ike_cred_fail(struct ike_engine *g, struct ike_cred *k,
    const char *why);
void ike_cred_answer(struct ike_engine *g, const char *name,
    uint64_t ticket, const void *m, const struct reason *why);
bool ike_profile_admits(const struct ike_profile *p, const struct ident *id);

/* ike_conn.c */
void ike_conn_try(struct ike_engine *g, struct ike_conn *c);
void ike_conn_failed(struct ike_isa *s);	/* its SA died */
void ike_conn_up(struct ike_isa *s);
/* The peer and we began at once: then neither says INITIAL_CONTACT, and the
 * nonces decide who stays. */
void ike_mark_crossing(struct ike_isa *s);
/* All that hangs on one now hangs on the other. */
void ike_conn_move(struct ike_isa *from, struct ike_isa *to);
/* A new IKE SA of ours to there: ike_init_begin is next.  NULL: no memory. */
struct ike_isa *ike_conn_isa(struct ike_engine *g, struct ike_profile *p,
    const struct endpoint *remote);
void ike_conn_free_all(struct ike_engine *g);

/* ike_peer.c */
int ike_peer_take(struct ike_isa *s, struct err *e);	/* after AUTH */
void ike_peer_state(struct ike_peer *p);		/* gre-peer-set */
/* Profiles or what they trust have changed: who may use which tunnel? */
void ike_peers_restate(struct ike_engine *g);
void ike_peer_leave(struct ike_isa *s);
/* It would take the place of a living SA of its identity at another endpoint
 * once more within the minute: two machines with one identity. */
bool ike_peer_twice(struct ike_isa *s, struct reason *why);
void ike_peer_settle(struct ike_isa *s);	/* others of its identity */
void ike_peer_moved(struct ike_isa *s);
struct ike_peer *ike_peer_find(struct ike_engine *g, uint16_t number);
/* All of them by number: begin with *at 0; NULL after the last.  Any may be
 * freed meanwhile. */
struct ike_peer *ike_peer_next(const struct ike_engine *g, uint16_t *at);
void ike_peer_free_all(struct ike_engine *g);
struct ike_peer *ike_peer_new(struct ike_engine *g, uint16_t number,
    const char *identity, const char *profile);	/* NULL: no memory */
void ike_peer_lost_replaced(struct ike_isa *s);
bool ike_peer_needs_child(const struct ike_isa *s);

/* ike_orphan.c: peers and SAs that an earlier run of ours left */
void ike_orphans_begin(struct ike_engine *g);	/* call their peers soon */
/* s is up: calls to there that nobody answered yet are for nothing. */
void ike_orphan_call_end(struct ike_isa *s);
	/* ESP of no SA came from there: was a peer given up that lives? */
void ike_missed_call(struct ike_engine *g, const struct endpoint *from);
void ike_orphans_remove(struct ike_engine *g, struct ike_peer *p);
void ike_orphans_free(struct ike_peer *p);
/* Those of one sender go now. */
void ike_orphans_hush(struct ike_engine *g, struct ike_peer *p);

/* ike_route.c: a tunnel that is up, profile.routes */
void ike_route_state(const struct ike_csa *c);

/* ike_show.c */
void ike_show_up(const struct ike_isa *s, struct ike_up *up);

#endif
