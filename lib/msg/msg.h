#ifndef MSG_MSG_H
#define MSG_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"

/*
 * Messages between the programs: C structs <-> deterministic CBOR
 * (RFC 8949, 4.2.1), driven by the tables in types.h, which are made from
 * dmvpn.cddl.  Nothing here allocates.
 *
 * What an optional member that was absent holds: zero, false, "", n_x == 0.
 * A member of that value is left out when written if it is optional.
 * Members of kind MSG_BYTES and MSG_ANY are struct rbuf and borrow from the
 * message that was read (reading) or from the caller (writing).
 */

#define MSG_MAX		16384	/* octets of a message */
#define MSG_DEPTH	8	/* nesting */
#define MSG_ITEMS	4096	/* data items of a message, all told */

enum msg_kind {
	MSG_UINT,	/* unsigned integer member of 1, 2, 4 or 8 octets */
	MSG_BOOL,	/* bool */
	MSG_TEXT,	/* char[size], ends in NUL; min..max octets of UTF-8 */
	MSG_BYTES,	/* struct rbuf, min..max octets */
	MSG_ADDR,	/* struct addr */
	MSG_PREFIX,	/* struct prefix; host bits are kept */
	MSG_ENDPOINT,	/* struct endpoint */
	MSG_NAME,	/* enum with a name table, a text on the wire */
	MSG_MAP,	/* nested struct, described by sub */
	MSG_LIST,	/* array of elem; its size_t count at count_offset */
	MSG_ANY,	/* struct rbuf: one encoded item, checked, not decoded */
};

struct msg_type;

struct msg_field {
	const char		*key;
	enum msg_kind		 kind;
	size_t			 offset;
	size_t			 size;		/* of the member, of one item */
	size_t			 count_offset;	/* MSG_LIST */
	bool			 optional;
	uint64_t		 min, max;	/* value, octets or items */
	const struct name	*names;		/* MSG_NAME */
	const struct msg_type	*sub;		/* MSG_MAP */
	const struct msg_field	*elem;		/* MSG_LIST */
};

/* fields are sorted as RFC 8949, 4.2.1 wants the keys. */
struct msg_type {
	const char		*name;		/* as in the CDDL */
	size_t			 size;		/* of the struct */
	const struct msg_field	*fields;
	size_t			 n_fields;
};

/* Write m as one CBOR map.  ERANGE names the member that is out of bounds. */
int msg_put(struct wbuf *w, const struct msg_type *t, const void *m,
    struct err *e);

/* Octets that msg_put writes for m; 0 when it can not be written.  For
 * pages of snapshots: how many items still fit. */
size_t msg_size(const struct msg_type *t, const void *m);

/*
 * Read one CBOR map into m, which is zeroed first.  in must hold exactly one
 * item.  EBADMSG says which key and why: not shortest form, keys unsorted or
 * doubled, bad UTF-8, out of range, missing key, nested too deep.
 */
int msg_get(struct rbuf in, const struct msg_type *t, void *m,
    struct err *e);

/* The same of what has been checked already: the body of a struct msg, for
 * msg_read and msg_next look at all of it. */
int msg_get_checked(struct rbuf in, const struct msg_type *t, void *m,
    struct err *e);

/*
 * Length of the first item of in: for CBOR Sequences on pipes.  0: the item
 * is not complete yet; -1: it can not become a message of ours.
 */
int msg_item_length(const struct rbuf *in, struct err *e);

enum msg_class { MSG_REQUEST, MSG_REPLY, MSG_FAILURE, MSG_EVENT };

/* What came in: the envelope is decoded, body is one encoded item. */
struct msg {
	enum msg_class	 class;
	uint32_t	 id;		/* request, reply, failure */
	uint64_t	 at;		/* event: ms of CLOCK_BOOTTIME */
	char		 name[48];	/* request, event */
	struct rbuf	 body;		/* failure: a reason */
};

struct reason;		/* types.h */

int msg_read(struct rbuf in, struct msg *m, struct err *e);
/* The first message of a CBOR Sequence, which in is moved past. */
int msg_next(struct rbuf *in, struct msg *m, struct err *e);
int msg_write_request(struct wbuf *w, uint32_t id, const struct msg_type *t,
    const void *m, struct err *e);
int msg_write_reply(struct wbuf *w, uint32_t id, const struct msg_type *t,
    const void *m, struct err *e);
int msg_write_failure(struct wbuf *w, uint32_t id, const struct reason *r,
    struct err *e);
int msg_write_event(struct wbuf *w, uint64_t now, const struct msg_type *t,
    const void *m, struct err *e);

/* The type with this name of all those in the CDDL, or NULL. */
const struct msg_type *msg_type_find(const char *name);

/* Fill a reason; texts are cut to fit.  Returns r. */
struct reason *reason_set(struct reason *r, const char *stage,
    const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* "stage: text; offered ..., wanted ...; fix" on one line. */
const char *reason_text(const struct reason *r, char *out, size_t out_len);

#endif
