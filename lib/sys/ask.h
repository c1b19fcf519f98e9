#ifndef SYS_ASK_H
#define SYS_ASK_H

#include <stdbool.h>

#include "base/err.h"
#include "msg/types.h"
#include "sys/link.h"
#include "sys/out.h"

/*
 * One-shot commands that talk to a running daemon.  sock_name is "gre.sock":
 * a file in the run directory.
 */

/* The connection to $DMVPN_RUN/sock_name. */
struct conn *ask_open(const char *sock_name, struct err *e);

/* Call, and tell on stderr why it was refused.  Returns the exit status:
 * 0 with the reply in out (may be NULL), 1 refused, 111 nobody answers. */
int command_call(const char *sock_name, const struct msg_type *t,
    const void *m, const struct msg_type *reply, void *out);

/* What a refusal or error of conn_call means as exit status: 1 when r has a
 * code that will not change by itself, else 111.  Prints the sentence. */
int command_refused(const struct reason *r, const struct err *e);

/* Pull a snapshot page by page; each page, decoded into reply, is handed to
 * take, which gives -1 to stop.  When the set changed under us it is pulled
 * again, up to three times; begin (may be NULL) is called before each run,
 * to forget what the run before gave.  reply's first two members are
 * generation and next. */
struct ask_pages {
	const struct msg_type	*reply;
	struct page		 from;		/* filters; of "": reply's name */
	void			*arg;
	void (*begin)(void *arg);
	int (*take)(void *arg, const void *page, struct err *e);
};
int conn_pages(struct conn *c, const struct ask_pages *p, struct reason *r,
    struct err *e);
/* The same for a command: exit status, reasons printed. */
int command_pages(const char *sock_name, const struct ask_pages *p);

/* The body of "events": subscribe to these prefixes and print until the
 * daemon ends (0), n events were seen (0: no limit) or it fails. */
int command_events(const char *sock_name, const char *const *prefixes,
    enum out_format format, uint64_t n);

/* "events [-j] [--cbor] [-n N] [PREFIX ...]", whole. */
int command_events_main(int argc, char **argv, const char *sock_name,
    const char *const *prefixes);

/* "wait": block until the daemon on the socket ends.  Exit status 0; 111
 * when nobody serves it. */
int command_wait(const char *sock_name);
/* The same, with its own --help. */
int command_wait_main(int argc, char **argv, const char *sock_name);

/* "stop [--keep]": the daemon ends; returns when its connection closed. */
int command_stop_main(int argc, char **argv, const char *sock_name);

#endif
