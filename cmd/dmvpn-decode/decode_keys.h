#ifndef DECODE_KEYS_H
#define DECODE_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * Keys from Wireshark's tables: ikev2_decryption_table and esp_sa, CSV files
 * with quoted fields, where # begins a comment.
 */
#define KEYS_MAX	4096	/* rows of a table */
#define KEY_MAX		68	/* octets of one key, salt included */

struct key {
	size_t	len;
	uint8_t	b[KEY_MAX];
};

/* One direction has _i, the other _r. */
struct keys_ike {
	uint64_t	spi_i, spi_r;
	uint16_t	encr;		/* enum ike_encr */
	uint16_t	key_bits;
	uint16_t	integ;		/* enum ike_integ */
	struct key	e_i, e_r, a_i, a_r;
};

struct keys_esp {
	uint32_t	spi;
	struct addr	src, dst;	/* len 0: any */
	uint16_t	encr;
	uint16_t	integ;
	struct key	e, a;
};

struct keys {
	size_t		 n_ike, n_esp;
	struct keys_ike	*ike;		/* owned */
	struct keys_esp	*esp;		/* owned */
};

/* Add the rows of a file; -1: "FILE:LINE: what is wrong". */
int keys_read_ike(struct keys *k, const char *path, struct err *e);
int keys_read_esp(struct keys *k, const char *path, struct err *e);
/* One line of ikev2_decryption_table. */
int keys_add_ike(struct keys *k, const char *line, struct err *e);
void keys_fini(struct keys *k);		/* wipes */

const struct keys_ike *keys_find_ike(const struct keys *k, uint64_t spi_i,
    uint64_t spi_r);
const struct keys_esp *keys_find_esp(const struct keys *k, uint32_t spi,
    const struct addr *src, const struct addr *dst);

#endif
