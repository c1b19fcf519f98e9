#ifndef DPD_STEP_H
#define DPD_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "dpd_choice.h"
#include "dpd_headend.h"
#include "msg/types.h"

/* What happens to one headend: inside of dpd_choice, a table of states. */

#define DPD_HEADENDS_MAX	8	/* of one tunnel, as in the contract */
#define DPD_HANDOVER		1000	/* ms that the one before is kept */

struct dpd_tunnel {
	bool			 set;
	struct dpd_headends_set	 conf;
	size_t			 n;
	struct dpd_headend_run	 run[DPD_HEADENDS_MAX];
	int			 use;		/* index in run, -1: none */
	uint64_t		 chosen;	/* when it came into use */
	char			 last[sizeof(((struct dpd_headend *)0)->name)];
	char			 why[sizeof(((struct dpd_chosen *)0)->why)];
};

struct dpd_choice {
	const struct dpd_choice_ops	*ops;
	void				*arg;
	struct dpd_tunnel		 tunnels[DPD_TUNNELS_MAX];
	uint64_t			 tickets;
	bool				 started;
};

/* What a step works on. */
struct dpd_step {
	struct dpd_choice	*c;
	struct dpd_tunnel	*t;
	struct dpd_headend_run	*h;
	uint64_t		 now;
	const struct ike_up	*up;	/* DPD_CAME_UP */
	const struct reason	*why;	/* the failures */
};

enum dpd_input {
	DPD_START,	/* wanted now */
	DPD_RESOLVED,
	DPD_UNRESOLVED,
	DPD_CAME_UP,
	DPD_FAILED,
	DPD_LOST,
	DPD_RESTARTED,	/* dmvpn-ike was, and does not know it */
	DPD_TIMER,
	DPD_LEAVE,	/* wanted no more */
};

struct dpd_step dpd_step_of(struct dpd_choice *c, struct dpd_tunnel *t,
    size_t i, uint64_t now);
const struct dpd_headend *dpd_step_conf(const struct dpd_step *x);

/* What has no row in the table does not matter in that state. */
void dpd_step_run(struct dpd_step *x, enum dpd_input input);

/* Ask for the addresses; state the connection (again). */
void dpd_step_ask(struct dpd_step *x);
void dpd_step_dial(struct dpd_step *x);

#endif
