#ifndef CMD_ISSUE_H
#define CMD_ISSUE_H

#include <openssl/evp.h>

#include "cmd_ca.h"

struct issue_opts {
	const char	*store, *pass_file, *profile, *type, *out;
	const char	*key_pass;
	struct opt_list	 dns, ips, emails, tunnels, subnets;
	uint64_t	 days;
	bool		 force, no_names;
};

/* Issue for this key, record, and put into o->out; own: the key goes there
 * too.  The CA is unlocked here. */
int cmd_issue_to(struct cmd_ca *c, const struct issue_opts *o,
    struct pki_want *w, EVP_PKEY *key, bool own, struct err *e);

#endif
