#ifndef DMVPN_GRE_PRIV_H
#define DMVPN_GRE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/name.h"

/*
 * What the two halves of dmvpn-gre say to each other on a SOCK_SEQPACKET
 * pair: one record a datagram, of fixed size, a note's octets after it.
 * The packet half asks (struct priv_request), the privileged half reports
 * (struct priv_report, maybe with descriptors).
 *
 * The privileged half trusts nothing in a request: it touches only links
 * that it made itself, and counts are bounded.  It keeps the desired state
 * of the kernel (links, addresses, neighbours, routes), restores it when the
 * kernel lost some, and keeps notes of the packet half, which it does not
 * understand, for the packet half that comes after a crash.
 */

#define PRIV_QUEUES	8		/* of one TAP: descriptors a record */
#define PRIV_LINKS	63
#define PRIV_NOTE_MAX	1024		/* octets of a note */
#define PRIV_NOTES	(1u << 18)
#define PRIV_SEEN	32768		/* notes of the last kind */
#define PRIV_ENTRIES	(1u << 18)	/* addresses, neighbours, routes */

#define PRIV_OPS(X)						\
	X(PRIV_READY, 1, "ready")	/* the packet half serves */	\
	X(PRIV_PULSE, 2, "pulse")	/* it is alive, every second */	\
	X(PRIV_LINK_SET, 3, "link-set")	/* link mtu; report: fds */	\
	X(PRIV_LINK_DELETE, 4, "link-delete")				\
	X(PRIV_ADDR_SET, 5, "addr-set")	/* link prefix */		\
	X(PRIV_ADDR_DELETE, 6, "addr-delete")				\
	X(PRIV_NEIGH_SET, 7, "neigh-set") /* link prefix peer */	\
	X(PRIV_NEIGH_DELETE, 8, "neigh-delete")				\
	X(PRIV_ROUTE_SET, 9, "route-set") /* link prefix via metric onlink */ \
	X(PRIV_ROUTE_DELETE, 10, "route-delete")			\
	X(PRIV_LOOKUP, 11, "lookup")	/* prefix.addr */		\
	X(PRIV_PATH_MTU, 12, "path-mtu") /* prefix.addr */		\
	X(PRIV_SHAPE_SET, 13, "shape-set") /* link peer rate */		\
	X(PRIV_SHAPE_DELETE, 14, "shape-delete")			\
	X(PRIV_NOTE_SET, 15, "note-set") /* key, octets */		\
	X(PRIV_NOTE_DELETE, 16, "note-delete")				\
	X(PRIV_STOP, 17, "stop")	/* keep */

enum priv_op { PRIV_OPS(NAME_ENUM) };
extern const struct name priv_op_names[];

/*
 * Names a note: a kind and up to 47 octets, the rest zero.  Notes come back
 * in the order of their kinds.  Of the last kind there are at most PRIV_SEEN,
 * the oldest go first.
 */
struct priv_key {
	uint8_t	kind;		/* 0..PRIV_KINDS - 1 */
	uint8_t	b[47];
};
#define PRIV_KINDS	8
#define PRIV_KIND_SEEN	7

struct priv_request {
	uint32_t	op;		/* enum priv_op */
	uint32_t	seq;		/* of the report; 0: none is wanted */
	char		link[16];
	struct prefix	prefix;
	struct addr	via;
	uint32_t	metric;
	uint32_t	mtu;
	uint64_t	rate;
	uint16_t	peer;
	uint16_t	overhead;
	bool		onlink;
	bool		keep;
	struct priv_key	key;
	uint32_t	len;		/* octets of the note that follow */
};

enum priv_report_type {
	PRIV_DONE = 1,		/* seq, error, text; with what was asked */
	PRIV_SOCKET,		/* kind (enum path_socket), one fd */
	PRIV_LINK,		/* link, index, mtu, up, fds when new */
	PRIV_LINK_GONE,		/* link */
	PRIV_NOTE,		/* key, octets */
	PRIV_BEGIN,		/* all that was known has been told */
	PRIV_END,		/* stop in an orderly way */
};

struct priv_report {
	uint32_t	type;		/* enum priv_report_type */
	uint32_t	seq;
	int32_t		error;		/* errno, 0: done */
	char		text[256];	/* sentence of the error */
	uint32_t	kind;
	char		link[16];
	int32_t		index;
	uint32_t	mtu;
	uint32_t	offload;	/* of its queues, as path_tap_offload */
	bool		up;
	bool		fresh;		/* LINK: n descriptors came along */
	bool		local;		/* LOOKUP: an address of ours */
	struct prefix	prefix;
	struct addr	via;
	struct priv_key	key;
	uint32_t	len;
};

/*
 * One end of the pair, non-blocking, with a queue.  What is sent waits there
 * for priv_wire_flush, at the end of the turn and again when the socket is
 * writable; it puts as many records into a datagram as fit.
 */
#define PRIV_DATAGRAM 16384
struct priv_item;
struct priv_wire {
	int			 fd;
	size_t			 waiting;
	struct priv_item	*head;
	struct rbuf		 left;	/* of the datagram in `in' */
	uint8_t			 in[PRIV_DATAGRAM];
};

void priv_wire_init(struct priv_wire *w, int fd);
void priv_wire_fini(struct priv_wire *w);	/* closes fd */
/* Queue a record with data after it and descriptors, which are duplicated.
 * -1: too long, or no memory. */
int priv_wire_send(struct priv_wire *w, const void *record, size_t len,
    const void *data, size_t data_len, const int *fds, size_t n,
    struct err *e);
/* 0 when the queue is empty or the socket is full; -1: the other end is gone. */
int priv_wire_flush(struct priv_wire *w, struct err *e);
/*
 * Take in one record of exactly len octets and the octets after it (at most
 * PRIV_NOTE_MAX, *data_len says how many).  1; 0: nothing there now; -1: the
 * other end is gone (EPIPE) or talks nonsense (EBADMSG).  While
 * priv_wire_more is true the socket does not tell that there is one.
 */
int priv_wire_receive(struct priv_wire *w, void *record, size_t len,
    uint8_t data[PRIV_NOTE_MAX], size_t *data_len, int *fds, size_t *n,
    struct err *e);

bool priv_wire_more(const struct priv_wire *w);

/* ------------------------------------------------------ notes (pure) */

struct priv_notes;

struct priv_notes *priv_notes_new(struct err *e);
void priv_notes_free(struct priv_notes *n);
int priv_note_set(struct priv_notes *n, const struct priv_key *key,
    const void *data, size_t len, struct err *e);
void priv_note_delete(struct priv_notes *n, const struct priv_key *key);
/* By kind, else in the order in which they were made.  fn returns false to
 * stop. */
typedef bool priv_note_fn(void *arg, const struct priv_key *key,
    const void *data, size_t len);
void priv_notes_each(const struct priv_notes *n, priv_note_fn *fn, void *arg);
size_t priv_notes_count(const struct priv_notes *n);

#endif
