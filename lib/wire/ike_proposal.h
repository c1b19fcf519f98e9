#ifndef WIRE_IKE_PROPOSAL_H
#define WIRE_IKE_PROPOSAL_H

#include "wire/ike.h"

/*
 * Proposals: what we are ready to use, as text and as transforms, and the
 * choice among what a peer offers (RFC 7296, 2.7 and 3.3).
 *
 * Text is algorithms joined by '-', several of a kind being alternatives:
 *	aes256gcm16-prfsha384-ecp384	IKE
 *	aes256-sha256-modp2048		IKE: sha256 is integrity and PRF
 *	aes128gcm16-x25519-noesn	ESP: a group means PFS
 *	aes256-sha256-modpnone-x25519	ESP: PFS when the peer asks for it
 * AEAD and other ciphers do not mix in one proposal.
 */
#define IKE_PROPOSAL_TRANSFORMS	32
#define IKE_PROPOSAL_TEXT	192

struct ike_proposal {
	uint8_t			number;
	uint8_t			protocol;	/* enum ike_protocol */
	uint8_t			spi_len;	/* of the peer, when chosen */
	uint8_t			spi[8];
	size_t			n;
	struct ike_transform	t[IKE_PROPOSAL_TRANSFORMS];
};

int ike_proposal_parse(const char *text, uint8_t protocol,
    struct ike_proposal *p, struct err *e);
/* The same grammar; what has no word there as "encr-77".  Returns out. */
const char *ike_proposal_text(const struct ike_proposal *p, char *out,
    size_t out_len);
/* As above, of an offered one. */
const char *ike_proposal_in_text(const struct ike_proposal_in *p, char *out,
    size_t out_len);
/* The words there are, each algorithm by one: false after the last. */
struct ike_word {
	const char		*text;
	struct ike_transform	 t;
	bool			 weak;
};
bool ike_proposal_word(size_t i, struct ike_word *w);
/* SHA-1, MODP-1024 and MODP-1536 are for peers that can no better. */
bool ike_proposal_weak(const struct ike_proposal *p);

/* The first transform of a type, or NULL. */
const struct ike_transform *ike_proposal_first(const struct ike_proposal *p,
    uint8_t type);
bool ike_proposal_has(const struct ike_proposal *p, uint8_t type,
    uint16_t id);
int ike_proposal_add(struct ike_proposal *p, uint8_t type, uint16_t id,
    uint16_t key_bits);
void ike_proposal_drop(struct ike_proposal *p, uint8_t type);
bool ike_encr_is_aead(uint16_t id);

/* What a choice is made from. */
struct ike_choice {
	struct rbuf			 sa;	/* SA payload's body */
	const struct ike_proposal	*ours;	/* by preference */
	size_t				 n_ours;
	uint8_t				 protocol;
	uint8_t				 spi_len;	/* 0, 4 or 8 */
	bool				 no_ke;		/* IKE_AUTH: none */
	uint16_t			 group;	/* liked: has a KE payload */
};
/* Why none was chosen: the closest pair. */
struct ike_mismatch {
	uint8_t	type;		/* the first transform type without a match */
	char	offered[IKE_PROPOSAL_TEXT * 2];	/* all that was offered */
	char	wanted[IKE_PROPOSAL_TEXT * 2];
	char	difference[IKE_PROPOSAL_TEXT];
};
/* Responder: 1 and *chosen (one transform a type, number and SPI of the
 * peer), 0 and *why (may be NULL), -1: the payload is malformed. */
int ike_proposal_choose(const struct ike_choice *c,
    struct ike_proposal *chosen, struct ike_mismatch *why, struct err *e);
/* Initiator: is the answer one of what we offered?  0 and *chosen, or -1. */
int ike_proposal_answer(const struct ike_choice *c,
    struct ike_proposal *chosen, struct err *e);

/* An SA payload of n proposals, numbered from 1 (a chosen one keeps its
 * number), each with this SPI. */
void ike_put_sa(struct ike_chain *c, const struct ike_proposal *p, size_t n,
    const void *spi, size_t spi_len);

#endif
