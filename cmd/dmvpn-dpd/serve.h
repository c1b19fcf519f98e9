#ifndef DPD_SERVE_H
#define DPD_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "dpd_choice.h"
#include "dpd_watch.h"
#include "msg/types.h"
#include "serve_dns.h"
#include "sys/below.h"
#include "sys/link.h"
#include "sys/loop.h"
#include "sys/serve.h"

/* The daemon: both engines, the links to dmvpn-gre and dmvpn-ike below, and
 * the server above. */
struct daemon {
	struct loop		*loop;
	struct server		*server;
	struct link		*gre, *ike;
	struct below		 below;
	struct dpd_watch	*watch;
	struct dpd_choice	*choice;
	struct dns		*dns;
	struct timer		 turn, sync, stop;
	uint64_t		 turned;	/* when the engines last ran */
	bool			 synced;	/* with dmvpn-ike */
};

/* Fills *d; the sockets are open afterwards. */
int serve_open(struct daemon *d, struct err *e);
int serve_run(struct daemon *d, struct err *e);
void serve_close(struct daemon *d);

/* The links to the programs below (serve_link.c). */
int serve_links_open(struct daemon *d, struct err *e);
extern const struct dpd_watch_ops serve_watch_ops;
extern const struct dpd_choice_ops serve_choice_ops;

/* Run the engines soon: at once, or when they just ran, after a moment. */
void serve_kick(struct daemon *d);

#endif
