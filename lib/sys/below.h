#ifndef SYS_BELOW_H
#define SYS_BELOW_H

#include <stdint.h>

#include "base/err.h"
#include "msg/msg.h"
#include "msg/types.h"
#include "sys/link.h"
#include "sys/loop.h"

/*
 * What a daemon has to do with the programs below it: calls of its engine,
 * by ticket; their events, decoded; their snapshots, page by page.
 */
struct below_wait;
struct below_walk;

/* m, or why there is none.  m is NULL too when the reply has no type. */
typedef void below_answer(void *arg, uint64_t ticket, const void *m,
    const struct reason *why);

/* Set the first three; the rest is zero. */
struct below {
	struct loop		*loop;
	below_answer		*answer;
	void			*arg;
	struct timer		 timer;		/* to refuse */
	struct below_wait	*refused, *sent;
	struct below_walk	*walks;
};
/* Once the links are freed: nothing is answered any more. */
void below_fini(struct below *b);

/* A call of the engine.  An engine must not be called back from its own
 * call: every answer comes from the loop, also that program, which is behind
 * k (NULL: none), can not be reached.  Ticket 0: nobody waits. */
void below_call(struct below *b, struct link *k, const char *program,
    uint64_t ticket, const struct msg_type *t, const void *m,
    const struct msg_type *reply);

/* An event as the type of its name; the caller frees it.  NULL: of no type
 * that we know, or not as that type says, which is logged. */
void *below_event(const struct msg *m, const struct msg_type **t);

/* A snapshot: take is called for each page, done at the end, with the reason
 * when pages are missing.  The type of the pages begins with generation and
 * next, its name is that of the snapshot. */
struct below_pages {
	const struct msg_type	*reply;
	const char		*owner;		/* NULL: of all */
	void			*arg;
	void (*take)(void *arg, const void *page);
	void (*done)(void *arg, const struct reason *why);
};
void below_pages(struct below *b, struct link *k,
    const struct below_pages *p);

#endif
