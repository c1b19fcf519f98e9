#ifndef DMVPN_GRE_PATH_INT_H
#define DMVPN_GRE_PATH_INT_H

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "crypto/esp.h"
#include "path.h"
#include "path_mtu.h"
#include "path_ring.h"
#include "path_table.h"
#include "wire/gre.h"
#include "wire/ip.h"
#include "wire/replay.h"

/*
 * The inside of the packet path.  Who may touch what:
 *   control	creates, publishes and retires; reads counters;
 *   receivers	the first n_in threads: sockets -> TAP.  An SA belongs to one
 *		of them, by its SPI: that one owns its replay window;
 *   senders	the n_out behind them: TAP -> sockets.
 * While one core is enough for both ways, a receiver does the work of the
 * sender beside it (path_share.c); with one thread it always does.
 * What several of them touch is _Atomic; what is reached through an _Atomic
 * pointer never changes after it was published, but for its own atomics.
 */

#define PATH_BATCH	64		/* datagrams or frames of a turn */
#define PATH_RX_BUFS	32		/* large receive buffers */
#define PATH_BUF	(65536 + 256)
#define PATH_TX_BUF	(256 * 1024)
#define PATH_HEAD_ROOM	64		/* free before what is received */
#define PATH_TAIL_ROOM	64		/* padding, trailer, ICV */
#define PATH_FLOWS	256		/* slots of the coalescer */
#define PATH_WAYS	4		/* of them a flow may be in */
#define PATH_SEGMENTS	64		/* datagrams of one UDP_SEGMENT send */
#define PATH_PORTS	1024		/* descriptors, at most */
#define PATH_MTU_FLOOR4	576
#define PATH_MTU_FLOOR6	1280
#define ETH_HEAD	14
#define VNET_HEAD	10
#define TAP_HEAD	(VNET_HEAD + ETH_HEAD)

#define SAID_SLOTS	1024

#define TOKENS_PER_PACKET 1000

/* A token bucket of one thread, in thousandths. */
struct path_bucket {
	uint64_t	tokens, at;
};

struct iface_conf {
	struct path_retire	retire;
	struct path_interface	c;
};

struct iface_group {
	struct path_retire	retire;
	size_t			n;
	uint16_t		peer[];
};

struct iface {
	struct path_retire		 retire;
	unsigned			 id;
	_Atomic(struct iface_conf *)	 conf;
	_Atomic(struct iface_group *)	 group;	/* NULL: nobody */
	_Atomic(unsigned)		 n_taps;
	_Atomic(int)			 tap[PATH_QUEUES];
	_Atomic(uint64_t)		 rx_packets, rx_bytes;
	_Atomic(uint64_t)		 tx_packets, tx_bytes;
};

struct peer;

/* Where a peer is. */
struct peer_route {
	struct path_retire	retire;
	struct path_node	node;		/* by remote address */
	struct peer		*peer;
	struct path_peer	c;
	enum path_socket	kind;
	socklen_t		to_len;
	union {
		struct sockaddr		sa;
		struct sockaddr_in	v4;
		struct sockaddr_in6	v6;
	}			to;
	struct addr		answer4, answer6; /* source of too-big */
	struct addr		ping;		/* on the tunnel, len 0: none */
	uint8_t			ping_by;	/* interface */
};

/* Where a datagram came from and to. */
struct in_meta {
	struct endpoint	remote, local;
	uint8_t		tos;
	bool		udp;
};

struct path_sa;
struct sa_set {
	struct path_retire	 retire;
	unsigned		 n;
	bool			 queued;	/* some are of one sender */
	struct path_sa		*sa[];		/* first choice first */
};

/* What comes from a peer or goes to it, as path_fair.c sees it. */
enum fair_way { FAIR_IN, FAIR_OUT, FAIR_WAYS };
struct fair_peer {
	uint64_t	count;		/* packets at the last look */
	uint64_t	rate;		/* packets a look, before the cut */
	uint64_t	lost;		/* in that look, at a guess */
	uint32_t	pass;		/* of FAIR_ALL; 0: not cut */
};

struct peer {
	struct path_retire		 retire;
	uint16_t			 number;
	_Atomic(uint16_t)		 mtu;	/* outer */
	_Atomic(bool)			 large;	/* packets went out */
	_Atomic(struct peer_route *)	 route;
	_Atomic(struct sa_set *)	 out;
	_Atomic(uint64_t)		 last_in, last_out;
	_Atomic(uint64_t)		 acquired, moved;	/* last said */
	_Atomic(uint64_t)		 rx_packets, rx_bytes;
	_Atomic(uint64_t)		 tx_packets, tx_bytes, drops;
	_Atomic(uint64_t)		 nhrp, probes;	/* bucket_take_shared */
	/* control's own */
	struct peer			*next, **prev;	/* of all peers */
	struct path_sa			*pairs;	/* linked by peer_next */
	uint64_t			 keepalive_at;
	struct mtu_search		 search;
	struct peer			*busy_next, **busy_prev; /* search */
};

struct path_sa {
	struct path_retire	 retire;
	struct path_node	 node;		/* by inbound SPI */
	struct peer		*peer;
	uint32_t		 spi_in, spi_out;
	enum sa_mode		 mode;
	uint8_t			 interface;	/* tunnel mode */
	uint8_t			 queue;		/* of sender + 1; 0: of all */
	uint8_t			 n_local, n_remote;
	bool			 esn;
	bool			 standby, dying; /* control's own */
	_Atomic(bool)		 seen, soft_said, hard_said, stopped;
	struct esp_key		*in, *out;
	struct replay		*replay;	/* the owner's */
	uint64_t		 soft_packets, hard_packets;
	uint64_t		 soft_bytes, hard_bytes;
	struct selector		*local_ts, *remote_ts;
	_Atomic(uint64_t)	 sequence_out;	/* last used */
	_Atomic(uint64_t)	 sequence_in;
	_Atomic(uint64_t)	 last_in;
	_Atomic(uint64_t)	 rx_packets, rx_bytes;
	_Atomic(uint64_t)	 tx_packets, tx_bytes;
	_Atomic(uint64_t)	 replayed, forged;
	/* control's own */
	struct path_sa		*peer_next;
	uint64_t		 added, gone_at;	/* 0: stays */
	uint64_t		 turn;		/* the highest sends */
};

struct ike_spi {
	struct path_retire	retire;
	struct path_node	node;
	_Atomic(uint64_t)	bucket;
};

enum port_kind { PORT_TAP, PORT_SOCKET, PORT_WAKE };
struct port {
	struct path_retire	 retire;
	enum port_kind		 kind;
	enum path_socket	 socket;
	struct iface		*iface;
	unsigned		 thread;
	int			 fd;
};

/* One sendmsg: count datagrams of seg octets, the last may be shorter. */
struct tx_msg {
	const struct peer_route	*route;
	const struct addr	*local;		/* source; len 0: by route */
	struct peer		*peer;		/* NULL: none to count for */
	struct iface		*iface;		/* NULL: a packet of our own */
	struct path_sa		*sa;		/* NULL: in clear, or our own */
	size_t			 off, len;
	size_t			 inner;		/* octets of packets in it */
	uint16_t		 seg, count;
	uint8_t			 tos;
	bool			 closed;
	bool			 cut;		/* IP may fragment it */
};

struct tx {
	uint8_t		*buf;
	size_t		 len;
	unsigned	 n;
	struct tx_msg	 msg[PATH_BATCH];
	struct mmsghdr	 mm[PATH_BATCH];
	struct iovec	 iov[PATH_BATCH];
	uint8_t		 ctl[PATH_BATCH][128] __attribute__((aligned(8)));
};

struct rx {
	uint8_t		*buf[PATH_RX_BUFS];
	struct mmsghdr	 mm[PATH_RX_BUFS];
	struct iovec	 iov[PATH_RX_BUFS];
	struct sockaddr_in6 from[PATH_RX_BUFS];
	uint8_t		 ctl[PATH_RX_BUFS][256] __attribute__((aligned(8)));
};

/* One flow whose packets are put together again. */
struct flow {
	bool		 used, listed, tcp, v6;
	struct iface	*iface;
	struct peer	*peer;
	uint16_t	 count, seg;
	uint16_t	 l4, head;	/* offsets into headers: L4, payload */
	uint32_t	 hash;
	uint32_t	 next_seq;
	size_t		 len;		/* of the IP packet */
	uint8_t		*ip;		/* of the first packet, in place */
	bool		 checked;	/* the L4 checksum was verified */
	struct iovec	 iov[PATH_SEGMENTS];	/* 0: our headers as well */
};

/* The end of what a flow of TCP has sent; n: sent again since. */
#define RESENT_SLOTS	256
struct resent {
	uint32_t	hash, end, n;
};

/* Full batches in a row, up to now and the most since control looked. */
struct full_batches {
	_Atomic(unsigned)	now, most;
};

struct path_thread {
	struct path		*p;
	unsigned		 index;
	unsigned		 slot;		/* of outbound keys */
	bool			 in, out, started;
	pthread_t		 id;
	int			 epoll, wake;
	_Atomic(uint64_t)	 quiet;		/* path_table.h */
	uint64_t		 now;		/* ms, once a turn */
	bool			 woke;		/* events were put */
	/* Messages read: this turn, this millisecond, the one before. */
	unsigned		 turn_read, ms_read, ms_before;
	struct full_batches	 full_in[PATH_SOCKETS];
	struct full_batches	 full_out[PATH_INTERFACES];
	/* Who does a sender's work: itself, or the receiver beside it. */
	_Atomic(unsigned)	 holder, wanted;
	uint64_t		 cpu, cpu_at;	/* control's: ns used, when */
	_Atomic(uint64_t)	 drops[PATH_DROP_N];
	/* Of strangers: ESP that came raw, and bare GRE. */
	_Atomic(uint64_t)	 strange_raw, strange_bare;
	/* Events to control: of SAs and peers, of members, of strangers. */
	struct path_ring	 first, bulk, strangers;
	struct path_ring	 commands;	/* a sender's, from control */
	/* A receiver's: packets of its SAs that came to another, a ring for
	 * each. */
	struct path_ring	*handed;
	/* A receiver's: packets whose SA is still to come, and: look again. */
	struct path_ring	 early;
	unsigned		 n_early;
	_Atomic(bool)		 early_due;
	bool			 handing[PATH_THREADS];	/* wake these */
	struct tx		 tx;
	struct rx		*rx;
	struct flow		*flows;
	unsigned		 n_flows;	/* begun this batch */
	struct flow		*begun[PATH_FLOWS];
	uint8_t			*frame;
	struct path_bucket	 mcast[PATH_INTERFACES];
	struct path_bucket	 ike, spi, too_big, nhrp, hairpin, resolve;
	uint64_t		 said[SAID_SLOTS]; /* lossy: when */
	struct resent		 resent[RESENT_SLOTS];	/* lossy */
};

/* What the kernel lets into the sockets: path_filter.c. */
#define GUARD_KEYS	1200	/* about 2.75 instructions each, of 4,096 */
#define FAIR_CUTS	128	/* 5 each */
#define FAIR_ALL	UINT32_MAX
enum filter_of { OF_SPI, OF_SOURCE4, OF_SOURCE6, OF_PEER };
struct filter_cut {
	enum filter_of	of;
	uint32_t	key;		/* SPI, filter_source or a number */
	uint32_t	pass;		/* of FAIR_ALL */
};
struct filter_state {
	uint64_t	drops;		/* of UDP, by filter or for room */
	uint64_t	raw_drops;	/* others do not count by filter */
	uint32_t	used, room;	/* octets of the fullest socket */
};

/* Against members that send more than their share: path_fair.c. */
struct fair {
	bool			on;
	enum fair_way		way;
	uint64_t		at, last;	/* next look, the last; ms */
	uint64_t		until;		/* then try without */
	uint64_t		receivers;	/* bits: of their SAs */
	uint64_t		dropped;	/* by the devices, so far */
	uint64_t		share;		/* packets a look, of a peer */
	struct fair_peer	*of;		/* by number; NULL: no looks */
	uint32_t		used;		/* octets queued, last look */
	unsigned		calm;		/* looks without a cut */
	uint64_t		lost;		/* cut, for guard_tick */
	struct filter_cut	cut[FAIR_CUTS];
	size_t			n;
};

/* Against floods of strangers: path_guard.c. */
#define GUARD_MAX	4096
#define GUARD_SAMPLE	256	/* one of so many data packets passes */
enum guard_drop { GUARD_NO_ROOM, GUARD_KEPT_OUT, GUARD_CUT };
enum guard_ask { ASK_IKE, ASK_NHRP, ASK_N };
struct guard_asked {
	uint64_t	was;		/* dropped at the last look */
	uint64_t	rate;		/* a second, before the filter */
	uint32_t	mask;		/* one of so many passes */
};
struct guard {
	bool			on, stale;	/* some key is gone */
	unsigned		calm;		/* s */
	/* At the last look: */
	uint64_t		at, spi, raw, bare, sockets, raw_sockets;
	struct guard_asked	asked[ASK_N];
	_Atomic(uint64_t)	drops[GUARD_CUT + 1];
};

struct path {
	struct path_conf		 conf;
	uint64_t			(*now)(void);
	unsigned			 n_threads, n_in, n_out;
	_Atomic(bool)			 started;
	struct path_thread		*thread;
	_Atomic(bool)			 stop;
	struct path_epoch		 epoch;
	uint64_t			 salt;
	int				 event_fd;
	_Atomic(bool)			 signalled;

	_Atomic(struct iface *)		 iface[PATH_INTERFACES];
	_Atomic(unsigned)		 iface_top;	/* highest id + 1 */
	_Atomic(struct peer *)		*peer;		/* by number */
	struct path_hash		 by_addr;	/* routes */
	struct path_hash		 sa;
	struct path_hash		 ike;
	struct path_hash		 early;		/* SPIs to come */
	_Atomic(struct port *)		 port[PATH_PORTS];
	_Atomic(int)			 socket[PATH_SOCKETS];
	unsigned			 n_sockets[PATH_SOCKETS]; /* control */
	_Atomic(uint64_t)		*cache;		/* hairpins */

	_Atomic(uint32_t)		 features;	/* bits, on */
	_Atomic(int)			 why[PATH_FEATURE_N];	/* errno */
	const char			*why_openssl;	/* no ipsec-mb */

	/* control's own */
	struct install_set		*installs;
	struct peer			*peers, *busy;
	uint64_t			 search_at; /* not before; 0: none */
	unsigned			 probes;    /* queued, nobody woken */
	struct guard			 guard;
	struct fair			 fair[FAIR_WAYS];
	int				 devices;	/* their counters */
	uint64_t			 turn;
	uint64_t			 mtu_at, shared_at;
	unsigned			 n_dying;
	struct path_ring		 own;	/* events of control itself */
	uint8_t				*event_buf;
};

#define CACHE_SLOTS	16384

/* Relaxed counters: of one writer, and of several. */
static inline void
count1(_Atomic(uint64_t) *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void
count(_Atomic(uint64_t) *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t
counted(const _Atomic(uint64_t) *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static inline void
drop(struct path_thread *t, enum path_drop why)
{
	count1(&t->drops[why], 1);
}

static inline void
drop_peer(struct path_thread *t, struct peer *peer, enum path_drop why)
{
	drop(t, why);
	count(&peer->drops, 1);
}

#define get(ptr)	atomic_load_explicit((ptr), memory_order_acquire)
#define put(ptr, v)	atomic_store((ptr), (v))

static inline bool
feature_on(const struct path *p, enum path_feature_id f)
{
	return atomic_load_explicit(&p->features, memory_order_relaxed) >>
	    f & 1;
}

/* path.c */
void path_turn(struct path_thread *t, int timeout);	/* ms, -1: none */
/* After a turn, the last one ended at before (ms): better let some gather
 * before the next?  For path_turn, and tests of it. */
bool path_gathers(struct path_thread *t, uint64_t before);
void path_thread_wake(struct path_thread *t);
int path_port_add(struct path *p, const struct port *port, struct err *e);
void path_port_remove(struct path *p, enum port_kind kind,
    enum path_socket socket, const struct iface *iface);

/* path_share.c: which thread does what. */
int share_init(struct path *p);
void share_fini(struct path *p);
/* The sender of TAP queue number k, and who does its work now.  From control
 * the answer holds until the next tick. */
unsigned share_sender(const struct path *p, unsigned k);
unsigned share_holder(const struct path *p, unsigned sender);
/* The sender whose work this thread does, NULL: none. */
struct path_thread *share_works_for(struct path_thread *t);
/* Once a turn: give a sender's work to whom control wants to have it. */
void share_turn(struct path_thread *t);
/* Control: who is to do it from now on. */
void share_want(struct path *p, unsigned sender, unsigned who);
/* Control, in a tick: one loop while one core is enough. */
void share_tick(struct path *p, uint64_t now);
/* The receiver whose SAs have that SPI. */
static inline unsigned
share_owner(const struct path *p, uint32_t spi)
{
	return p->n_in == 1 ? 0 : spi % p->n_in;
}
/* A packet for an SA of another receiver goes to it; wake them after a
 * batch. */
void share_hand(struct path_thread *t, unsigned owner,
    const struct in_meta *m, const uint8_t *p, size_t n);
void share_wake(struct path_thread *t);
void share_handed(struct path_thread *t);
/* Let the kernel give a socket what belongs to receiver k; -1: errno. */
int share_steer(struct path *p, enum path_socket kind, int fd, unsigned k);

/* path_peer.c */
struct peer *path_peer_find(const struct path *p, uint16_t number);
/* Who sends bare GRE from there. */
struct peer *path_peer_by_addr(const struct path *p, const struct addr *a);
int path_peer_route(struct path *p, struct peer *peer,
    const struct path_peer *c, struct err *e);
void path_peer_free_all(struct path *p);
uint64_t path_peer_tick(struct path *p, uint64_t now);
void path_peer_mtu(struct path_thread *t, const struct addr *a,
    uint16_t mtu);

/* path_probe.c: the path MTU of each peer.  Control: */
void probe_init(struct path *p, struct peer *peer, uint16_t mtu);
void probe_kick(struct path *p, struct peer *peer);
void probe_forget(struct path *p, struct peer *peer);
void probe_age(struct path *p, struct peer *peer, uint64_t now);
uint64_t probe_tick(struct path *p, uint64_t now);
bool probe_event(struct path *p, const struct path_event *ev);
/* Packet threads: */
struct out_frame;
bool in_probe(struct path_thread *t, struct peer *peer, const uint8_t *p,
    size_t n);
bool in_echo(struct path_thread *t, struct peer *peer, const uint8_t *ip,
    const struct ip_view *v);
void probe_watch(struct path_thread *t, const struct out_frame *f,
    struct peer *peer);

/* path_filter.c: what the kernel lets in. */
void filter_write(struct path *p);
void filter_write_taps(struct path *p);
/* What another packet half left there. */
void filter_forget(int socket);
void filter_forget_tap(int tap);
void filter_state(const struct path *p, struct filter_state *s);
/* What stands for the source of bare GRE in a filter. */
uint32_t filter_source(const struct addr *a);

/* path_fair.c */
/* A thread: the batch was full, or not; c: of where it came from. */
void fair_batch(struct path_thread *t, struct full_batches *c, bool full);
void fair_init(struct path *p);
void fair_fini(struct path *p);
void fair_forget(struct path *p, uint16_t number);	/* a peer that goes */
/* Control: when to look next, 0: nobody is late. */
uint64_t fair_due(const struct path *p);
uint64_t fair_tick(struct path *p, uint64_t now);

/* path_guard.c */
void guard_tick(struct path *p, uint64_t now);
/* There is an SPI more, or a source, that must be let in. */
void guard_changed(struct path *p);

/* path_early.c: packets that come before their SA.  Control: */
/* Its SA is there; false: it was not expected. */
bool early_come(struct path *p, uint32_t spi);
void early_expire(struct path *p, uint64_t now);
void early_free_all(struct path *p);
/* Receivers: keep a packet of an unknown SPI; false: it is none that is to
 * come, or there is no room. */
bool early_keep(struct path_thread *t, const struct in_meta *m, uint32_t spi,
    const uint8_t *p, size_t n);
void early_turn(struct path_thread *t);

/* path_sa.c */
struct path_sa *path_sa_find(const struct path *p, uint32_t spi);
void path_sa_seen(struct path *p, uint32_t spi);
uint64_t path_sa_expire(struct path *p, uint64_t now);
void path_sa_drop_all(struct path *p, struct peer *peer);
bool selectors_match(const struct selector *ts, size_t n,
    const struct addr *a, uint8_t proto, uint16_t port);

/* path_iface.c */
struct iface *path_iface_find(const struct path *p, unsigned id);
void path_iface_free_all(struct path *p);

/* path_install.c: install ids that were seen. */
struct install_set *install_set_new(void);
void install_set_free(struct install_set *s);
/* true: new, and now known; false: seen before, or out of memory. */
bool install_set_add(struct install_set *s, uint64_t id);

/* path_wrap.c */
struct wrap {
	struct path_thread	*t;
	struct iface		*iface;
	const struct iface_conf	*conf;
	struct peer		*peer;
	const struct peer_route	*route;
	struct path_sa		*sa;		/* NULL: in clear */
	bool			 gre;
	uint16_t		 head;		/* before the inner packet */
	uint16_t		 mtu;		/* of the inner packet */
};
/* Who wraps what goes to this peer, v: the inner packet (NULL: NHRP).
 * false: dropped and counted. */
bool wrap_begin(struct wrap *w, struct path_thread *t, struct iface *i,
    struct peer *peer, const uint8_t *ip, const struct ip_view *v);
uint16_t wrap_mtu(const struct peer_route *r, uint16_t outer,
    const struct path_sa *sa, size_t gre_len);
/* Room for a datagram with an inner packet of up to n octets; the inner
 * packet's place is returned, NULL: dropped. */
uint8_t *wrap_slot(struct wrap *w, size_t n);
/* Wrap the n octets that stand there and queue them. */
bool wrap_send(struct wrap *w, uint8_t *inner, size_t n, uint16_t protocol,
    uint8_t tos);

/* A dummy packet (RFC 4303, 2.6) that begins with n octets of data and makes
 * an outer packet of that size, or as small as it can be. */
bool wrap_dummy(struct path_thread *t, struct peer *peer, const void *data,
    size_t n, uint16_t outer);

/* path_tx.c */
int tx_init(struct tx *tx);
void tx_fini(struct tx *tx);
uint8_t *tx_reserve(struct path_thread *t, size_t n);
/* Queue n octets that stand in the place reserved; m tells how they go. */
void tx_commit(struct path_thread *t, const struct tx_msg *how,
    const uint8_t *at, size_t n);
void tx_flush(struct path_thread *t);
/* Let IP fragment this one datagram, too big for the path; false: errno. */
bool tx_send_cut(int fd, bool v6, const struct msghdr *mh);
size_t tx_control(struct msghdr *mh, uint8_t *ctl, const struct addr *local,
    bool v6, uint16_t segment, uint8_t tos);

/* path_out.c */
struct out_frame {
	struct iface			*iface;
	const struct iface_conf		*conf;
	struct virtio_net_hdr		 vnet;
	uint8_t				*eth;
	uint8_t				*ip;
	size_t				 n;	/* octets at ip */
	struct ip_view			 v;
};
void out_frame(struct path_thread *t, struct iface *i, uint8_t *buf,
    size_t n);
void out_to_peer(struct path_thread *t, struct out_frame *f,
    struct peer *peer);
void out_nhrp(struct path_thread *t, unsigned interface, uint16_t peer,
    const uint8_t *data, size_t n);

/* path_gso.c: cut a super-packet and wrap the pieces. */
void gso_send(struct wrap *w, struct out_frame *f);
/* A packet that fits; its partial checksum is completed. */
void gso_send_one(struct wrap *w, struct out_frame *f);
/* IPv4 without DF that does not fit. */
void gso_fragment(struct wrap *w, struct out_frame *f);
/* The vnet header is sane for this packet. */
bool gso_ok(const struct out_frame *f);

/* path_mcast.c */
void out_multicast(struct path_thread *t, struct out_frame *f);
/* path_arp.c */
void out_arp(struct path_thread *t, struct out_frame *f);
bool out_nd(struct path_thread *t, struct out_frame *f);

/* path_cache.c: who a flow came in from. */
uint16_t cache_get(struct path_thread *t, unsigned interface,
    const uint8_t *ip, const struct ip_view *v);
void cache_put(struct path_thread *t, unsigned interface,
    const uint8_t *ip, const struct ip_view *v, uint16_t peer);
void cache_hairpin(struct path_thread *t, const struct out_frame *f,
    uint16_t to);
/* Not said in the last ms milliseconds: true, and noted (lossy). */
bool say_now(struct path_thread *t, uint64_t what, uint64_t ms);
bool bucket_take(struct path_bucket *b, uint64_t now, uint64_t rate,
    uint64_t burst);
/* The same for several threads at once; the word begins at 0. */
bool bucket_take_shared(_Atomic(uint64_t) *b, uint64_t now, uint64_t rate,
    uint64_t burst);
uint64_t path_mix(uint64_t h, uint64_t v);
uint64_t path_addr_hash(uint64_t salt, const void *octets, size_t n);

/* path_tap.c */
/* What all our devices dropped for want of room, or by a filter. */
uint64_t tap_dropped(const struct path *p);
void tap_read(struct path_thread *t, struct iface *i, int fd);
void tap_write(struct path_thread *t, struct iface *i,
    const struct iovec *iov, unsigned packets, uint32_t hash,
    size_t bytes);
void tap_answer(struct path_thread *t, struct iface *i, uint16_t peer,
    uint8_t *ip, size_t n);

/* path_in.c */
void in_esp(struct path_thread *t, const struct in_meta *m, uint8_t *p,
    size_t n);
void in_bare_gre(struct path_thread *t, const struct in_meta *m,
    uint8_t *p, size_t n);
void in_gre(struct path_thread *t, const struct in_meta *m,
    struct peer *peer, enum gre_protect protect, uint8_t *p, size_t n);
/* path_inner.c: the TAP_HEAD octets before the packet, which were headers or
 * the end of another, are written over until the batch ends. */
bool in_inner(struct path_thread *t, const struct in_meta *m,
    struct iface *i, struct peer *peer, uint8_t *p, size_t n, int version,
    const struct path_sa *sa);

/* path_udp.c, path_raw.c */
void socket_read(struct path_thread *t, enum path_socket kind, int fd);
void socket_errors(struct path_thread *t, enum path_socket kind, int fd);
void in_udp(struct path_thread *t, const struct in_meta *m, uint8_t *p,
    size_t n);
void in_raw4(struct path_thread *t, enum path_socket kind,
    struct in_meta *m, uint8_t *p, size_t n);
void in_raw6(struct path_thread *t, enum path_socket kind,
    struct in_meta *m, uint8_t *p, size_t n);
void endpoint_sockaddr(const struct endpoint *p, struct peer_route *r);

/* path_gro.c */
int gro_init(struct path_thread *t);
void gro_add(struct path_thread *t, struct iface *i, struct peer *peer,
    uint8_t *ip, const struct ip_view *v, uint64_t hash);
void gro_flush(struct path_thread *t);

/* path_ike.c */
void in_ike(struct path_thread *t, const struct in_meta *m,
    const uint8_t *p, size_t n);
void path_ike_free_all(struct path *p);

/* path_events.c */
struct event_head {
	uint32_t	 type;
	uint16_t	 peer, to;
	uint16_t	 mtu;
	uint8_t		 interface, hard;
	uint32_t	 spi;
	struct endpoint	 local, remote;
	struct addr	 address;
};
void out_probe(struct path_thread *t, const struct event_head *h,
    const uint8_t *data, size_t n);
/* false: no room, counted. */
bool say(struct path_thread *t, const struct event_head *h,
    const void *data, size_t n);
void say_wake(struct path_thread *t);
bool say_bulk(struct path_thread *t, const struct event_head *h,
    const void *data, size_t n);
bool say_stranger(struct path_thread *t, const struct event_head *h,
    const void *data, size_t n);
void say_own(struct path *p, const struct event_head *h);

/* path_status.c */
void feature_set(struct path *p, enum path_feature_id f, bool on, int why);
void feature_tap(struct path *p, uint32_t offload);
void feature_crypto(struct path *p, bool openssl);

#endif
