#ifndef DPD_CMD_OVERVIEW_H
#define DPD_CMD_OVERVIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "msg/types.h"

/* One tunnel as all programs see it. */
struct overview {
	struct dpd_overview	 tunnel;
	struct dpd_neighbour	*rows;		/* n of them */
	size_t			 n, room;
	uint64_t		 now;
	uint64_t		 last_at;	/* ms, of tunnel.last */
};

/* What a program that is not there would tell stays empty.  -1 only when
 * out of memory. */
int overview_collect(struct overview *o, struct err *e);
void overview_fini(struct overview *o);

#endif
