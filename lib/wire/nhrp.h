#ifndef WIRE_NHRP_H
#define WIRE_NHRP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/name.h"

/*
 * NHRP (RFC 2332) as Cisco, FRR and OpenNHRP send it: GRE protocol type
 * 0x2001, IPv4 or IPv6 as NBMA and as protocol.  Nothing here allocates;
 * what was parsed borrows from the packet.
 */
#define NHRP_MAX	4096	/* octets of a packet */
#define NHRP_HEADER	20	/* octets of the fixed part */
#define NHRP_MAX_CIES	32	/* in the mandatory part, in one extension */
#define NHRP_MAX_EXTS	24	/* of a packet, End not counted */
#define NHRP_AUTH_MAX	8	/* octets of Cisco's shared text */

/* RFC 2332, 5.2; 8: draft-detienne-dmvpn */
#define NHRP_PACKETS(X)						\
	X(NHRP_RESOLUTION_REQUEST, 1, "resolution-request")	\
	X(NHRP_RESOLUTION_REPLY, 2, "resolution-reply")		\
	X(NHRP_REGISTRATION_REQUEST, 3, "registration-request")	\
	X(NHRP_REGISTRATION_REPLY, 4, "registration-reply")	\
	X(NHRP_PURGE_REQUEST, 5, "purge-request")		\
	X(NHRP_PURGE_REPLY, 6, "purge-reply")			\
	X(NHRP_ERROR_INDICATION, 7, "error-indication")		\
	X(NHRP_TRAFFIC_INDICATION, 8, "traffic-indication")
enum nhrp_type { NHRP_PACKETS(NAME_ENUM) };
extern const struct name nhrp_packet_names[];

/* RFC 2332, 5.2.7; 16 and 17: RFC 2735.  FRR and OpenNHRP send 2 for a loop:
 * we send 3 and understand both. */
#define NHRP_ERRORS(X)							\
	X(NHRP_ERR_EXTENSION, 1, "unrecognised-extension")		\
	X(NHRP_ERR_LOOP_OLD, 2, "loop-detected-old")			\
	X(NHRP_ERR_LOOP, 3, "loop-detected")				\
	X(NHRP_ERR_UNREACHABLE, 6, "protocol-address-unreachable")	\
	X(NHRP_ERR_PROTOCOL, 7, "protocol-error")			\
	X(NHRP_ERR_SDU_SIZE, 8, "sdu-size-exceeded")			\
	X(NHRP_ERR_BAD_EXTENSION, 9, "invalid-extension")		\
	X(NHRP_ERR_BAD_REPLY, 10, "invalid-resolution-reply")		\
	X(NHRP_ERR_AUTH, 11, "authentication-failure")			\
	X(NHRP_ERR_HOPS, 15, "hop-count-exceeded")			\
	X(NHRP_ERR_VPN_MISMATCH, 16, "vpn-mismatch")			\
	X(NHRP_ERR_VPN, 17, "vpn-unsupported")
enum nhrp_error { NHRP_ERRORS(NAME_ENUM) };
extern const struct name nhrp_error_names[];

/* RFC 2332, 5.2.0.1, 5.2.2 and 5.2.4: codes of a CIE.  FRR and OpenNHRP send
 * 11 for no binding: we send 12 and understand both. */
#define NHRP_CODES(X)						\
	X(NHRP_CODE_OK, 0, "ok")				\
	X(NHRP_CODE_PROHIBITED, 4, "administratively-prohibited") \
	X(NHRP_CODE_RESOURCES, 5, "insufficient-resources")	\
	X(NHRP_CODE_NO_BINDING_OLD, 11, "no-binding-old")	\
	X(NHRP_CODE_NO_BINDING, 12, "no-binding")		\
	X(NHRP_CODE_NOT_UNIQUE, 13, "binding-not-unique")	\
	X(NHRP_CODE_UNIQUE, 14, "unique-address-registered")
enum nhrp_code { NHRP_CODES(NAME_ENUM) };
extern const struct name nhrp_code_names[];

/* RFC 2332, 5.3; 9: Cisco's, and RFC 2735's when 8 octets long; 10: RFC 2520.
 * 8 begins with a 3-octet OUI. */
#define NHRP_EXTENSIONS(X)				\
	X(NHRP_EXT_END, 0, "end")			\
	X(NHRP_EXT_RESPONDER, 3, "responder-address")	\
	X(NHRP_EXT_FORWARD, 4, "forward-transit-nhs")	\
	X(NHRP_EXT_REVERSE, 5, "reverse-transit-nhs")	\
	X(NHRP_EXT_AUTH, 7, "authentication")		\
	X(NHRP_EXT_VENDOR, 8, "vendor-private")		\
	X(NHRP_EXT_NAT, 9, "nat-address")		\
	X(NHRP_EXT_MOBILE, 10, "mobile-authentication")
enum nhrp_extension { NHRP_EXTENSIONS(NAME_ENUM) };
extern const struct name nhrp_extension_names[];

/* Flags of Resolution (R), Registration (G) and Purge (P) packets. */
#define NHRP_R_ROUTER		0x8000
#define NHRP_R_AUTHORITATIVE	0x4000
#define NHRP_R_DST_STABLE	0x2000
#define NHRP_R_UNIQUE		0x1000
#define NHRP_R_SRC_STABLE	0x0800
#define NHRP_R_NAT		0x0002	/* Cisco */
#define NHRP_G_UNIQUE		0x8000
#define NHRP_G_NAT		0x0002	/* Cisco */
#define NHRP_P_NO_REPLY		0x8000

#define NHRP_AFN_IP4		1
#define NHRP_AFN_IP6		2
#define NHRP_PROTO_IP4		0x0800
#define NHRP_PROTO_IP6		0x86dd
#define NHRP_PREFIX_UNIQUE	255	/* RFC 2332, 5.2.3 */

/* Client Information Entry (RFC 2332, 5.2.0.1). */
struct nhrp_cie {
	uint8_t		code;
	uint8_t		prefix;		/* bits; 255: unique */
	uint16_t	unused;
	uint16_t	mtu;
	uint16_t	hold;		/* seconds */
	uint8_t		preference;
	struct addr	nbma;		/* len 0: none given */
	struct rbuf	sub;		/* NBMA subaddress, mostly empty */
	struct addr	proto;		/* len 0: none given */
};

/* An extension (RFC 2332, 5.3). */
struct nhrp_ext {
	uint16_t	type;		/* 14 bits */
	bool		compulsory;
	struct rbuf	value;		/* borrows */
};

/* A packet.  For types 7 and 8 flags stay, id's place holds code and offset,
 * and payload is the packet they are about. */
struct nhrp {
	uint16_t	afn;		/* NHRP_AFN_* */
	uint16_t	protocol;	/* NHRP_PROTO_* */
	uint8_t		snap[5];
	uint8_t		hops;
	uint16_t	size;		/* parsed only */
	uint16_t	checksum;	/* parsed only */
	uint8_t		type;		/* enum nhrp_type */
	uint16_t	flags;
	uint32_t	id;		/* request id, types 1 to 6 */
	uint16_t	code;		/* 7: error code, 8: traffic code */
	uint16_t	offset;		/* 7: where; 8: unused */
	struct addr	src_nbma;
	struct rbuf	src_sub;
	struct addr	src_proto;
	struct addr	dst_proto;
	struct rbuf	cies;		/* types 1 to 6 */
	struct rbuf	payload;	/* types 7 and 8 */
	bool		extended;	/* an extension part is there */
	struct rbuf	exts;
	unsigned	n_cies, n_exts;
};

/*
 * Parse a whole packet: checksum, lengths, every CIE and every extension are
 * looked at, so that the walks below can not fail afterwards.  -1 and EBADMSG
 * for a malformed one; EPROTONOSUPPORT for a version, type, address family or
 * protocol that we do not speak.
 */
int nhrp_parse(struct rbuf in, struct nhrp *n, struct err *e);

/* The same of a packet inside an Error Indication, which may be cut off: size
 * and checksum are not judged; CIEs or extensions that are not whole are left
 * out. */
int nhrp_parse_lax(struct rbuf in, struct nhrp *n, struct err *e);

/* Next CIE of in (n->cies or an extension's value): 1, 0 at the end, -1. */
int nhrp_cie_next(const struct nhrp *n, struct rbuf *in,
    struct nhrp_cie *cie, struct err *e);

/* Next extension: 1, 0 at End-of-extensions or where the bytes end, -1. */
int nhrp_ext_next(struct rbuf *in, struct nhrp_ext *ext, struct err *e);

/* Look one up; false when the packet has none (value is then empty). */
bool nhrp_ext_find(const struct nhrp *n, uint16_t type,
    struct nhrp_ext *ext);

/* Is the value of this extension a list of CIEs? (3, 4, 5, and 9 unless it
 * is RFC 2735's.) */
bool nhrp_ext_has_cies(const struct nhrp_ext *ext);

/* The text of Cisco's authentication (after 00000001); false: other SPI. */
bool nhrp_ext_auth(const struct nhrp_ext *ext, struct rbuf *text);

/* One's complement sum of RFC 1071; 0 over a packet whose checksum is right.
 * An odd octet at the end counts as if a zero followed. */
uint16_t nhrp_checksum(struct rbuf in);

/*
 * Building, in this order: begin, CIEs or payload, extensions, end.  The
 * caller's storage is used; a packet that does not fit fails at the end.
 */
struct nhrp_out {
	struct wbuf	w;
	size_t		ext;		/* where extensions begin; 0: none */
	size_t		len;		/* hole of the open extension */
};

/* Fixed part and mandatory part up to the addresses, from n. */
void nhrp_begin(struct nhrp_out *o, void *buf, size_t cap,
    const struct nhrp *n);
void nhrp_put_cie(struct nhrp_out *o, const struct nhrp_cie *cie);
/* Raw octets: a payload, or CIEs that were parsed before. */
void nhrp_put(struct nhrp_out *o, const struct rbuf *r);
/* Open an extension; CIEs or octets put now are its value. */
void nhrp_ext_open(struct nhrp_out *o, uint16_t type, bool compulsory);
void nhrp_ext_close(struct nhrp_out *o);
void nhrp_ext_put(struct nhrp_out *o, uint16_t type, bool compulsory,
    const struct rbuf *value);
void nhrp_ext_put_auth(struct nhrp_out *o, const void *text, size_t len);
/* End-of-extensions if there were any, size and checksum.  The packet is
 * o->w.buf, o->w.len octets. */
int nhrp_end(struct nhrp_out *o, struct err *e);

/* "router,unique" or "-"; room for all of them is 96. */
const char *nhrp_flags_text(uint8_t type, uint16_t flags, char *out,
    size_t len);

/*
 * Our vendor-private extension: where the hub sees a peer that is behind a
 * NAT, so that two such peers find each other.  Others step over it.
 *	OUI 02-44-4d | kind 1 | count | { role, address length, port, address }
 */
#define NHRP_OUI	0x02444dU
#define NHRP_OBSERVED	1
enum nhrp_seen_role { NHRP_SEEN_REQUESTER = 1, NHRP_SEEN_RESPONDER = 2 };

struct nhrp_seen {
	struct endpoint	requester;	/* addr.len 0: not told */
	struct endpoint	responder;
};

/* False when it is not ours, or malformed. */
bool nhrp_seen_parse(const struct nhrp_ext *ext, struct nhrp_seen *s);
void nhrp_seen_put(struct nhrp_out *o, const struct nhrp_seen *s);

#endif
