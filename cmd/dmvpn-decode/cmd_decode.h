#ifndef CMD_DECODE_H
#define CMD_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "decode_doc.h"
#include "msg/types.h"
#include "sys/pcap.h"
#include "wire/dissect.h"

/* Each returns an exit status. */
int cmd_ike(int argc, char **argv);
int cmd_nhrp(int argc, char **argv);

/*
 * What both commands do: read captures or a live stream of events, and count.
 */
struct cmd_run {
	struct doc	 doc;
	uint64_t	 shown;
	uint64_t	 malformed;
	uint64_t	 limit;		/* stop after so many; 0: none */
	FILE		*copy;		/* pcapng of what is shown, or NULL */
	void		*arg;
	/* One dissected packet of a capture. */
	void (*packet)(struct cmd_run *r, uint64_t ns,
	    const struct dissect *d);
	/* One event of a live stream. */
	void (*event)(struct cmd_run *r, uint64_t ns, const struct msg *m);
};

/* Exit statuses.  At least one message, none malformed: 0. */
int cmd_files(struct cmd_run *r, int argc, char **argv);
int cmd_live(struct cmd_run *r);

/* Give up all but reading files, and writing beside copy (may be NULL):
 * captures are foreign octets. */
int cmd_confine(const char *copy, struct err *e);

/* Open --write FILE; -1: e says why. */
int cmd_copy_open(struct cmd_run *r, const char *path, struct err *e);
int cmd_copy_close(struct cmd_run *r, struct err *e);

#endif
