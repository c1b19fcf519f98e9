#ifndef DMVPN_GRE_PATH_H
#define DMVPN_GRE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"
#include "msg/types.h"
#include "path_mtu.h"

/*
 * The packet path: threads that move packets between TAP queues and the
 * wire.  This is the side that the control thread sees.  All functions but
 * path_mac are for that one thread.  None blocks on the network; some wait
 * for the packet threads to have let go of what is taken from them (under
 * a millisecond as a rule).
 *
 * Packet threads neither allocate nor lock nor log.  They read tables that
 * the control thread publishes, count, and put events into bounded rings.
 */
struct path;

#define PATH_INTERFACES	64	/* ids 1..63 */
#define PATH_PEERS	65534	/* numbers 1..65533 */
#define PATH_QUEUES	16	/* of one TAP */
#define PATH_MULTICAST	65533	/* peers of one multicast list */
#define PATH_THREADS	64
#define PATH_RECEIVERS	(PATH_THREADS / 2)

struct path_conf {
	/* 1: one loop for both directions; more: half of them receive, the
	 * others send; 0: path_threads_auto.  While one core is enough, a
	 * receiver and a sender are one loop. */
	unsigned	 threads;
	bool		 openssl;	/* no other AEAD, whatever there is */
	uint64_t	(*now)(void);	/* ms; NULL: CLOCK_BOOTTIME */
	uint8_t		 seed[16];	/* random, for the hashes */
};

/* What suits the CPUs that there are for us. */
unsigned path_threads_auto(void);
/* How many of so many threads receive (one UDP socket and one for protocol
 * 50 of each family for each of them) and send (a TAP queue each). */
unsigned path_receivers(unsigned threads);
unsigned path_senders(unsigned threads);

/* Tables and rings; no thread yet. */
struct path *path_new(const struct path_conf *conf, struct err *e);
/* Start the threads: after sockets were opened and privilege was dropped.
 * They block all signals. */
int path_start(struct path *p, struct err *e);
/* Stops threads, closes what was added, wipes keys; NULL is fine. */
void path_free(struct path *p);
unsigned path_threads(const struct path *p);

/* ------------------------------------------------------- interfaces */

/*
 * Frames from the TAP name their peer by the destination MAC.  The TAP's own
 * MAC is that of number 0xfffe.  The prefix is locally administered.
 */
#define PATH_MAC_SELF	0xfffe
void path_mac(uint16_t peer, uint8_t mac[6]);

struct path_interface {
	unsigned	 id;		/* 1..63, chosen by the caller */
	enum gre_mode	 mode;
	enum gre_protect protect;
	bool		 keyed;		/* RFC 2890 */
	uint32_t	 key;
	bool		 checksum;	/* sent; checked whenever present */
	bool		 hub;		/* resolves nothing from ARP and ND */
	uint16_t	 mtu;		/* of the device */
	struct addr	 local;		/* outer source; none: by route */
	size_t		 n_addresses;	/* ours on the tunnel */
	struct addr	 addresses[8];
	uint32_t	 multicast_rate; /* copies a second, 0: 50,000 */
	uint32_t	 offload;	/* what path_tap_offload gave */
};

/*
 * Make the most of a TAP queue: TUNSETOFFLOAD with what this kernel takes
 * (checksum, TSO, USO).  Returns the TUN_F_* bits now on, 0 for none.  The
 * one who opens the queue (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
 * IFF_MULTI_QUEUE, vnet header of 10 octets) calls it, since the ioctl may
 * be out of reach later.
 */
uint32_t path_tap_offload(int fd);

/* Make one, or change its settings (same id).  Two interfaces that could
 * not be told apart on the wire (same protect, key and local) are refused
 * with EADDRINUSE. */
int path_interface_set(struct path *p, const struct path_interface *i,
    struct err *e);
/* Give it TAP queues; non-blocking is set here.  Takes the descriptors,
 * even when it fails. */
int path_interface_taps(struct path *p, unsigned id, const int *fds,
    size_t n, struct err *e);
/* Closes its queues; SAs bound to it stop counting for anything. */
void path_interface_delete(struct path *p, unsigned id);

struct path_interface_stat {
	uint64_t	rx_packets, rx_bytes;	/* from peers to the TAP */
	uint64_t	tx_packets, tx_bytes;
};
int path_interface_stat(const struct path *p, unsigned id,
    struct path_interface_stat *s);

/* Who gets copies of multicast on this interface. */
int path_multicast_set(struct path *p, unsigned id, const uint16_t *peers,
    size_t n, struct err *e);

/* ---------------------------------------------------------- sockets */

enum path_socket {
	PATH_UDP4,		/* port 4500 */
	PATH_UDP6,
	PATH_ESP4,		/* raw, protocol 50 */
	PATH_ESP6,
	PATH_GRE4,		/* raw, protocol 47 */
	PATH_GRE6,
};
#define PATH_SOCKETS 6

/* Add a bound socket of that kind.  When there is one for each receiver
 * (SO_REUSEPORT, in the order in which they were bound) the kernel is told
 * which packets go to which.  Sets
 * O_NONBLOCK and the socket options it wants (pktinfo, TOS, UDP_GRO, path
 * MTU discovery, error queue); what the kernel refuses shows up in
 * path_features.  Takes fd, even when it fails. */
int path_socket_add(struct path *p, enum path_socket kind, int fd,
    struct err *e);
void path_socket_remove(struct path *p, enum path_socket kind);

/* ------------------------------------------------------------ peers */

struct path_peer {
	uint16_t	 number;
	enum gre_encap	 encap;
	struct endpoint	 remote;
	struct endpoint	 local;		/* address none: by route */
	uint16_t	 keepalive;	/* seconds, 0: none */
	bool		 fixed;		/* the endpoint never moves */
	uint16_t	 mtu;		/* outer path MTU, 0: 1,500 */
	uint64_t	 denied;	/* bit of an id: not that interface */
};
/* Make or change; counters and SAs stay. */
int path_peer_set(struct path *p, const struct path_peer *c, struct err *e);
/* Its SAs go with it. */
void path_peer_delete(struct path *p, uint16_t number);
/* Who seems to have sent the "too big" messages about packets to this peer:
 * its tunnel address, one of each family; none: 169.254.x.y and fe80::N of
 * its number.  The first one also answers pings (probes of the path MTU). */
void path_peer_address(struct path *p, unsigned interface, uint16_t number,
    const struct addr *a);

struct path_peer_stat {
	struct endpoint	remote, local;	/* now */
	uint64_t	last_in;	/* ms, last authentic packet; 0: none */
	uint64_t	last_out;
	uint64_t	rx_packets, rx_bytes;	/* inner */
	uint64_t	tx_packets, tx_bytes;
	uint64_t	drops;
	uint16_t	mtu;		/* outer path MTU as known now */
	uint16_t	inner_mtu;	/* largest inner packet, 0: no SA yet */
	enum mtu_how	how;		/* mtu: how it came about */
	bool		searching;	/* for a better one */
	unsigned	sas;
};
int path_peer_stat(const struct path *p, uint16_t number,
    struct path_peer_stat *s);
/* The largest packet of an interface that fits, 0: no SA yet. */
uint16_t path_inner_mtu(const struct path *p, uint16_t number,
    unsigned interface);

/* -------------------------------------------------------------- SAs */

/*
 * Install a pair.  m as in the CDDL; interface is the id for tunnel mode (0
 * in transport mode).  A selector with both ports 0 means all ports; empty
 * lists mean all addresses.  Keys are wiped from path's memory with the SA,
 * the caller wipes the message.
 * EEXIST: this install id was seen before, or the SPI is in use (text says
 * which); ENOENT: no such peer; EINVAL: wrong key length.
 */
int path_sa_add(struct path *p, const struct gre_sa_add *m,
    unsigned interface, struct err *e);
/* Was an SA with this install id ever added, or noted?  -1: no memory. */
bool path_install_known(const struct path *p, const uint8_t install[16]);
int path_install_note(struct path *p, const uint8_t install[16]);
/* Send with the outbound half from now on. */
int path_sa_use(struct path *p, uint32_t spi_in, struct err *e);
/* Stop sending now; stop receiving after grace ms. */
int path_sa_delete(struct path *p, uint32_t spi_in, uint32_t grace,
    struct err *e);

struct path_sa_stat {
	uint64_t	added, last_in;		/* ms */
	uint64_t	sequence_in, sequence_out;
	uint64_t	rx_packets, rx_bytes;
	uint64_t	tx_packets, tx_bytes;
	uint64_t	replayed, forged;
	bool		standby, active, dying;
};
/* ENOENT as -1. */
int path_sa_stat(const struct path *p, uint32_t spi_in,
    struct path_sa_stat *s);

/* The SA of this inbound SPI is being made: what comes for it is kept until
 * path_sa_add, at most 10 s, 64 KiB a receiver.  EEXIST: there is one. */
int path_spi_expect(struct path *p, uint32_t spi_in, struct err *e);

/* ------------------------------------------------------ IKE and NHRP */

/* Datagrams with one of these SPIs (initiator's or responder's) go first. */
int path_ike_spi_add(struct path *p, uint64_t spi, struct err *e);
void path_ike_spi_delete(struct path *p, uint64_t spi);

/* Without the non-ESP marker.  Sent now; -1 says why not. */
int path_ike_send(struct path *p, const struct endpoint *remote,
    const struct addr *local, struct rbuf data, struct err *e);
/* Queued to a packet thread, which wraps it as it does packets. */
int path_nhrp_send(struct path *p, unsigned interface, uint16_t peer,
    struct rbuf data, struct err *e);

/* ----------------------------------------------------------- events */

enum path_event_type {
	PATH_IKE,		/* local, remote, data (no marker) */
	PATH_NHRP,		/* interface, peer (0: none), remote, data */
	PATH_RESOLVE,		/* interface, address */
	PATH_HAIRPIN,		/* interface, peer = from, to, data */
	PATH_ACQUIRE,		/* peer */
	PATH_MOVED,		/* peer, remote: already in effect */
	PATH_SA_FIRST,		/* peer, spi (inbound): standby ended */
	PATH_SA_LIMIT,		/* peer, spi (inbound), hard */
	PATH_SA_GONE,		/* peer, spi: the grace is over */
	PATH_INVALID_SPI,	/* remote, local, spi */
	PATH_MTU,		/* peer, mtu: new outer path MTU */
	/* These stay inside: */
	PATH_PROBE,		/* a peer's probe of the path MTU */
	PATH_PROBED,		/* an answer to one of ours */
	PATH_STUCK,		/* large packets are sent again and again */
};
struct path_event {
	enum path_event_type	 type;
	unsigned		 interface;
	uint16_t		 peer, to;
	uint16_t		 mtu;
	uint32_t		 spi;
	bool			 hard;
	struct endpoint		 local, remote;
	struct addr		 address;
	struct rbuf		 data;	/* borrowed until the next call */
};

/* Readable when there are events: put it into the loop. */
int path_event_fd(const struct path *p);
/* The next event: 1, or 0 when there is none left.  Read at most a batch a
 * turn of the loop; the descriptor stays readable while there are more. */
int path_event(struct path *p, struct path_event *ev);

/* Housekeeping: keepalives, ends of grace, freeing, path MTU ageing.  Call
 * at the time it returns (ms) or earlier; at most 1 s away. */
uint64_t path_tick(struct path *p);
/* What events brought about may be due earlier; 0: nothing is. */
uint64_t path_due(const struct path *p);

/* ----------------------------------------------------------- status */

/* Why a packet went no further. */
#define PATH_DROPS(X)					\
	X(DROP_FRAME, 0, "frame")			\
	X(DROP_ETHERTYPE, 1, "ethertype")		\
	X(DROP_IP, 2, "ip")				\
	X(DROP_IP_OPTION, 3, "ip-option")		\
	X(DROP_SOURCE, 4, "source")			\
	X(DROP_NO_PEER, 5, "no-peer")			\
	X(DROP_NO_SA, 6, "no-sa")			\
	X(DROP_NO_SOCKET, 7, "no-socket")		\
	X(DROP_NO_LISTENER, 8, "no-listener")		\
	X(DROP_BROADCAST, 9, "broadcast")		\
	X(DROP_RATE, 10, "rate")			\
	X(DROP_REDIRECT, 11, "redirect")		\
	X(DROP_RESOLVE, 12, "resolve")			\
	X(DROP_TOO_BIG, 13, "too-big")			\
	X(DROP_SELECTOR, 14, "selector")		\
	X(DROP_LOOP, 15, "loop")			\
	X(DROP_EXHAUSTED, 16, "sa-exhausted")		\
	X(DROP_CRYPTO, 17, "crypto")			\
	X(DROP_SEND, 18, "send")			\
	X(DROP_TAP, 19, "tap-write")			\
	X(DROP_UDP_SHORT, 20, "udp-short")		\
	X(DROP_ESP_SHORT, 21, "esp-short")		\
	X(DROP_SPI, 22, "invalid-spi")			\
	X(DROP_REPLAY, 23, "replay")			\
	X(DROP_FORGED, 24, "forged")			\
	X(DROP_PADDING, 25, "padding")			\
	X(DROP_NEXT_HEADER, 26, "next-header")		\
	X(DROP_DUMMY, 27, "dummy")			\
	X(DROP_GRE_SHORT, 28, "gre-short")		\
	X(DROP_GRE_VERSION, 29, "gre-version")		\
	X(DROP_GRE_FLAGS, 30, "gre-flags")		\
	X(DROP_GRE_CHECKSUM, 31, "gre-checksum")	\
	X(DROP_GRE_KEY, 32, "gre-key")			\
	X(DROP_GRE_PROTOCOL, 33, "gre-protocol")	\
	X(DROP_IKE_RATE, 34, "ike-rate")		\
	X(DROP_RING, 35, "ring-full")			\
	X(DROP_ECN, 36, "ecn")				\
	X(DROP_MULTICAST_BACK, 37, "multicast-back")	\
	X(DROP_TRUNCATED, 38, "truncated")		\
	X(DROP_NHRP, 39, "nhrp")			\
	X(DROP_SOCKET, 40, "socket-full")		\
	X(DROP_GUARD, 41, "guard")			\
	X(DROP_FAIR, 42, "fair-share")			\
	X(DROP_NHRP_RATE, 43, "nhrp-rate")

enum path_drop { PATH_DROPS(NAME_ENUM) };
#define PATH_DROP_N 44
extern const struct name path_drop_names[];

/* Sums over all threads, indexed by enum path_drop. */
void path_drops(const struct path *p, uint64_t counts[PATH_DROP_N]);

#define PATH_FEATURES(X)			\
	X(PATH_TAP_CHECKSUM, 0, "tap-checksum")	\
	X(PATH_TAP_TSO, 1, "tap-tso")		\
	X(PATH_TAP_USO, 2, "tap-uso")		\
	X(PATH_UDP_SEGMENT, 3, "udp-segment")	\
	X(PATH_UDP_GRO, 4, "udp-gro")		\
	X(PATH_COALESCE, 5, "coalescing")	\
	X(PATH_RAW_ESP, 6, "raw-esp")		\
	X(PATH_RAW_GRE, 7, "raw-gre")		\
	X(PATH_IPV6, 8, "ipv6")			\
	X(PATH_IPSEC_MB, 9, "ipsec-mb")		\
	X(PATH_STEER, 10, "spi-steering")
enum path_feature_id { PATH_FEATURES(NAME_ENUM) };
#define PATH_FEATURE_N 11
extern const struct name path_feature_names[];

struct path_feature {
	bool	on;
	char	why[96];	/* why it is off */
};
void path_features(const struct path *p,
    struct path_feature f[PATH_FEATURE_N]);

#endif
