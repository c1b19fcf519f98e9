#ifndef DPD_HEADEND_H
#define DPD_HEADEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "dpd_choice.h"
#include "msg/types.h"

/* One headend at run time: its addresses, waits and last reason.  What it
 * does next is the table in dpd_choice.c. */

#define DPD_RESOLVE_LIMIT	15000	/* ms for an answer */
#define DPD_RESOLVE_AGAIN	30000	/* ms, after a failed refresh */
#define DPD_RETRY_MIN		1000	/* ms, doubles */
#define DPD_RETRY_MAX		60000
#define DPD_PATIENCE_MIN	6000	/* ms for a connection, doubles */
#define DPD_PATIENCE_MAX	30000
#define DPD_WELL		10000	/* ms up: its waits begin anew */

struct dpd_headend_run {
	enum dpd_headend_state	 state;
	char			 host[192];
	uint16_t		 port;
	bool			 numeric;
	bool			 standby;	/* beside the one in use */
	bool			 dialled;	/* the connection is stated */
	bool			 confirmed;	/* dmvpn-ike knows it as up */
	struct endpoint		 found[DPD_ADDRESSES_MAX];
	size_t			 n, at;		/* at: the one in turn */
	uint64_t		 ticket;	/* of an open question */
	uint64_t		 refresh;	/* when the name gets old */
	uint64_t		 due;
	uint32_t		 backoff, patience;
	uint16_t		 peer;
	struct endpoint		 remote;
	uint64_t		 since;
	struct reason		 reason;
};

/* From "address", "name", either with ":port"; "_service..." means SRV. */
int dpd_headend_init(struct dpd_headend_run *h, const char *name,
    struct err *e);
const struct endpoint *dpd_headend_address(const struct dpd_headend_run *h);

/* Takes the list; keeps its place when the address in turn is still there. */
void dpd_headend_addresses(struct dpd_headend_run *h,
    const struct endpoint *found, size_t n, uint32_t ttl, uint64_t now);
void dpd_headend_up(struct dpd_headend_run *h, const struct ike_up *up,
    uint64_t now);
/* Not before now + wait; the next waits are longer. */
void dpd_headend_fail(struct dpd_headend_run *h, const struct reason *why,
    uint64_t wait, uint64_t now);
void dpd_headend_calm(struct dpd_headend_run *h);
void dpd_headend_show(const struct dpd_headend_run *h,
    struct dpd_headend_status *s);

#endif
