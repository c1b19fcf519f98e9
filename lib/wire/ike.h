#ifndef WIRE_IKE_H
#define WIRE_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/ike_names.h"

/*
 * IKEv2 messages (RFC 7296, 3; RFC 7383).  Parsers borrow: every rbuf in a
 * result points into the message.  Reserved fields are ignored when read and
 * zero when written.  Nothing here decrypts: the engine and the decoder do
 * that with lib/crypto/sk.h and walk the clear payloads with the same walk.
 */
#define IKE_HEADER_LEN		28
#define IKE_PAYLOAD_LEN		4	/* generic payload header */
#define IKE_PAYLOADS_MAX	64	/* in one message */
#define IKE_FRAGMENTS_MAX	64	/* of one message, RFC 7383 */
#define IKE_MESSAGE_MAX		65535	/* reassembled */
#define IKE_PROPOSALS_MAX	64	/* in an SA payload */
#define IKE_TRANSFORMS_MAX	64	/* in a proposal */
#define IKE_SELECTORS_MAX	64	/* in a TS payload */
#define IKE_NONCE_MIN		16
#define IKE_NONCE_MAX		256
#define IKE_COOKIE_MAX		64

/* Flags of the header (RFC 7296, 3.1) */
#define IKE_FLAG_INITIATOR	0x08	/* sent by the original initiator */
#define IKE_FLAG_VERSION	0x10
#define IKE_FLAG_RESPONSE	0x20

struct ike_header {
	uint64_t	spi_i;
	uint64_t	spi_r;
	uint8_t		next;		/* type of the first payload */
	uint8_t		major;
	uint8_t		minor;
	uint8_t		exchange;
	uint8_t		flags;
	uint32_t	id;
	uint32_t	length;
};

/* Read the header of a whole datagram; in is left at the first payload and
 * holds exactly the payloads.  -1: shorter than 28 octets, or the length
 * field is not the datagram's.  The version is not judged. */
int ike_header_parse(struct rbuf *in, struct ike_header *h, struct err *e);

/* ---- walking payloads ---- */

struct ike_payload {
	uint8_t		type;
	bool		critical;
	uint8_t		next;	/* SK and SKF: type of the first inside */
	struct rbuf	body;	/* without the generic header */
	struct rbuf	whole;	/* with it */
};

struct ike_walk {
	struct rbuf	in;
	uint8_t		next;
	unsigned	n;
};

/* Walk payloads, beginning with one of this type. */
struct ike_walk ike_walk_of(uint8_t first, struct rbuf payloads);

/* 1: a payload; 0: the end, nothing is left over; -1: a bad length, octets
 * left over, or more than IKE_PAYLOADS_MAX.  SK and SKF end the walk. */
int ike_walk_next(struct ike_walk *w, struct ike_payload *p, struct err *e);

/* ---- payload bodies ---- */

struct ike_ke {
	uint16_t	group;
	struct rbuf	data;
};
int ike_ke_parse(struct rbuf body, struct ike_ke *k, struct err *e);

struct ike_id {
	uint8_t		type;
	struct rbuf	data;
	struct rbuf	body;	/* what the AUTH MAC covers */
};
int ike_id_parse(struct rbuf body, struct ike_id *id, struct err *e);

/* For people: "hub.example.org", "192.0.2.1", "key-id:0a0b"; a DN as
 * "dn:" and hexadecimal.  Foreign text is escaped.  Returns out. */
const char *ike_id_text(uint8_t type, const struct rbuf *data, char *out,
    size_t out_len);

/* CERT and CERTREQ: encoding, then data (CERTREQ: SHA-1s of anchor keys). */
struct ike_cert {
	uint8_t		encoding;
	struct rbuf	data;
};
int ike_cert_parse(struct rbuf body, struct ike_cert *c, struct err *e);

struct ike_auth {
	uint8_t		method;
	struct rbuf	data;
};
int ike_auth_parse(struct rbuf body, struct ike_auth *a, struct err *e);

/* A nonce is 16 to 256 octets (RFC 7296, 2.10). */
int ike_nonce_parse(struct rbuf body, struct rbuf *nonce, struct err *e);

struct ike_notify {
	uint8_t		protocol;
	uint16_t	type;
	struct rbuf	spi;
	struct rbuf	data;
};
int ike_notify_parse(struct rbuf body, struct ike_notify *n, struct err *e);

struct ike_delete {
	uint8_t		protocol;
	uint8_t		spi_len;
	uint16_t	count;
	struct rbuf	spis;	/* count times spi_len octets */
};
int ike_delete_parse(struct rbuf body, struct ike_delete *d, struct err *e);

/* One traffic selector (RFC 7296, 3.13.1). */
struct ike_ts {
	uint8_t		type;
	uint8_t		protocol;	/* 0: any */
	uint16_t	port_first;
	uint16_t	port_last;
	struct addr	first;
	struct addr	last;
};
struct ike_ts_walk {
	struct rbuf	in;
	unsigned	left;
};
int ike_ts_walk_of(struct rbuf body, struct ike_ts_walk *w, struct err *e);
/* 1, 0 at the end, -1: lengths lie, first after last.  A selector of a type
 * we do not know has addresses of length 0. */
int ike_ts_next(struct ike_ts_walk *w, struct ike_ts *ts, struct err *e);
/* "10.0.0.0/8[gre]", "10.0.0.1-10.0.0.9[tcp/80]".  Returns out. */
const char *ike_ts_text(const struct ike_ts *ts, char *out, size_t out_len);

/* SKF (RFC 7383, 2.5): what follows number and total is IV, text, ICV. */
struct ike_skf {
	uint16_t	number;
	uint16_t	total;
	struct rbuf	data;
};
int ike_skf_parse(struct rbuf body, struct ike_skf *s, struct err *e);

struct ike_cp {
	uint8_t		type;
	struct rbuf	attributes;
};
struct ike_cp_attr {
	uint16_t	type;
	struct rbuf	value;
};
int ike_cp_parse(struct rbuf body, struct ike_cp *c, struct err *e);
int ike_cp_next(struct rbuf *attributes, struct ike_cp_attr *a,
    struct err *e);

/* ---- SA payload ---- */

struct ike_transform {
	uint8_t		type;
	uint16_t	id;
	uint16_t	key_bits;	/* 0: no Key Length attribute */
	bool		odd;	/* has an attribute we do not know (3.3.6) */
};
struct ike_proposal_in {
	uint8_t		number;
	uint8_t		protocol;
	uint8_t		n_transforms;	/* as claimed */
	struct rbuf	spi;
	struct rbuf	transforms;
};
struct ike_sa_walk {
	struct rbuf	in;
	unsigned	n;
	bool		last;
};
struct ike_transform_walk {
	struct rbuf	in;
	unsigned	n;
	unsigned	want;
	bool		last;
};
struct ike_sa_walk ike_sa_walk_of(struct rbuf body);
int ike_sa_next(struct ike_sa_walk *w, struct ike_proposal_in *p,
    struct err *e);
struct ike_transform_walk ike_transform_walk_of(
    const struct ike_proposal_in *p);
int ike_transform_next(struct ike_transform_walk *w, struct ike_transform *t,
    struct err *e);
/* "aes-gcm-16-256", "hmac-sha2-256-128", "unknown(77)".  Returns out. */
const char *ike_transform_text(const struct ike_transform *t, char *out,
    size_t out_len);

/* ---- building ---- */

/*
 * A chain of payloads in w.  Begin one with ike_put, write its body into w,
 * and begin the next; ike_put_end closes the last.  first is the type of
 * the first payload, for the octet before the chain.
 */
struct ike_chain {
	struct wbuf	*w;
	size_t		 at;	/* of the generic header that is open */
	bool		 open;
	uint8_t		 first;
};
struct ike_chain ike_chain_of(struct wbuf *w);
void ike_put(struct ike_chain *c, uint8_t type);
void ike_put_critical(struct ike_chain *c, uint8_t type);
void ike_put_end(struct ike_chain *c);

/* The header, version 2.0; the message length is filled by
 * ike_header_fill, when all is written and the first type is known. */
void ike_header_put(struct wbuf *w, const struct ike_header *h);
void ike_header_fill(struct wbuf *w, uint8_t first, size_t length);

void ike_put_ke(struct ike_chain *c, uint16_t group, const void *data,
    size_t len);
void ike_put_id(struct ike_chain *c, uint8_t payload, uint8_t id_type,
    const void *data, size_t len);
/* CERT or CERTREQ */
void ike_put_cert(struct ike_chain *c, uint8_t payload, uint8_t encoding,
    const void *data, size_t len);
void ike_put_auth(struct ike_chain *c, uint8_t method, const void *data,
    size_t len);
void ike_put_nonce(struct ike_chain *c, const void *data, size_t len);
/* spi_len 0 for notifies about no SA or the IKE SA. */
void ike_put_notify(struct ike_chain *c, uint8_t protocol, const void *spi,
    size_t spi_len, uint16_t type, const void *data, size_t len);
/* A notify without SPI and data. */
void ike_put_status(struct ike_chain *c, uint16_t type);
/* spis: count SPIs of ESP as numbers; the IKE SA: protocol 1, none. */
void ike_put_delete(struct ike_chain *c, uint8_t protocol,
    const uint32_t *spis, size_t count);
void ike_put_ts(struct ike_chain *c, uint8_t payload, const struct ike_ts *ts,
    size_t n);

#endif
