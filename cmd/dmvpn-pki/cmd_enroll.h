#ifndef CMD_ENROLL_H
#define CMD_ENROLL_H

#include "cmd.h"
#include "pki_enroll.h"
#include "sys/daemon.h"

struct enroll_opts {
	const struct enroll_protocol	*protocol;
	const char	*url, *out, *subject, *type, *key_file, *key_pass;
	const char	*print, *challenge, *user, *renew, *template, *label;
	const char	*identity, *crl, *alarm;
	struct opt_list	 dns, ips, emails, trust, ras;
	uint64_t	 wait, seconds;
	bool		 force, no_names, accept, ask, legacy, no_load, json;
	bool		 dry, watch;
	struct daemon_opts daemon;
	char		 name[64];
};

/* One enrolment or renewal, from the options to the result on the disk. */
struct attempt {
	const struct enroll_opts	*o;
	struct pki_want		 want;
	struct enroll		 n;
	struct pki_bundle	 old;		/* renewal */
	EVP_PKEY		*old_key;
	struct cert_set		 trust;
	struct secret		*challenge, *pass;
	char			 pending[1024];	/* file of a key without a
						 * certificate; "": none */
	bool			 saved;		/* it is there */
};

/* 0, or -1 with e: nothing was asked.  Ended in any case. */
int cmd_attempt_begin(struct attempt *a, const struct enroll_opts *o,
    struct err *e);
/* Ask, wait, put in place.  EAGAIN: it is still pending. */
int cmd_attempt_run(struct attempt *a, struct err *e);
/* What the server says about itself, on standard output. */
int cmd_attempt_show(struct attempt *a, struct err *e);
void cmd_attempt_end(struct attempt *a);

/* Hand the result to the agent.  1: it has it; 0: none runs; -1: with e. */
int cmd_attempt_load(const struct attempt *a, struct err *e);
/* One record about it; loaded as above. */
int cmd_attempt_tell(const struct attempt *a, int loaded, struct err *e);

/* From now on: no privilege, no files but those of these options.  Once. */
int cmd_enroll_confine(const struct enroll_opts *o, struct err *e);

/* Exit status: 1 for what will not change, 111 for what may. */
int cmd_enroll_status(const struct err *e);

/* Renew the file again and again until told to stop. */
int cmd_enroll_watch(const struct enroll_opts *o, struct err *e);

#endif
