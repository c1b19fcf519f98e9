#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "cmd_ca.h"
#include "pki_points.h"
#include "sys/loop.h"

struct parts {
	struct pki_store	*store;
	unsigned		 most;		/* partition of any key */
	struct err		*e;
};

static int
on_key(void *arg, const struct pki_authority *a)
{
	struct parts *p = arg;
	struct pki_living living;

	if (pki_store_living(p->store, a->generation, clock_wall(), &living,
	    p->e) < 0)
		return -1;
	if (a->state != PKI_CA_RETIRED && living.partition > p->most)
		p->most = living.partition;
	return 0;
}

/* A partition is found by its URL, which stands in certificates: as long as
 * one of them lives, lists stay where they are. */
static int
check_move(struct pki_store *s, const char *url, struct err *e)
{
	char now[PKI_SETTING_MAX];
	struct parts p = { .store = s, .e = e };

	if (pki_store_setting(s, PKI_CRL_URL, now, e) < 0)
		return -1;
	if (now[0] == '\0' || strcmp(now, url) == 0)
		return 0;
	if (pki_store_authorities(s, on_key, &p, e) != 0)
		return -1;
	return p.most == 0 ? 0 : err_set(e, EPERM, "there are "
	    "certificates whose partition of the revocation list is found by "
	    "%s: it can not change before they have ended", now);
}

int
cmd_settings_put(struct pki_store *s, const char *crl_url,
    const char *partitions, const char *ocsp_url, struct err *e)
{
	uint64_t n;

	if (crl_url != NULL && (pki_url_check(crl_url, e) < 0 ||
	    check_move(s, crl_url, e) < 0 ||
	    pki_store_set(s, PKI_CRL_URL, crl_url, e) < 0))
		return err_in(e, "--crl-url");
	if (ocsp_url != NULL && (pki_url_check(ocsp_url, e) < 0 ||
	    pki_store_set(s, PKI_OCSP_URL, ocsp_url, e) < 0))
		return err_in(e, "--ocsp-url");
	if (partitions != NULL && num_parse(partitions, 0, PKI_PARTITIONS_MAX,
	    &n, e) < 0)
		return err_set(e, EINVAL, "--crl-partitions: 0 to %d",
		    PKI_PARTITIONS_MAX);
	if (partitions != NULL && pki_store_set(s, PKI_CRL_PARTITIONS,
	    n == 0 ? "" : partitions, e) < 0)
		return err_in(e, "--crl-partitions");
	return 0;
}

static int
show(struct pki_store *s, bool json, struct err *e)
{
	struct pki_settings m = { .crl_partitions = 0 };
	char n[PKI_SETTING_MAX];
	uint64_t v = 0;

	if (pki_store_setting(s, PKI_CRL_URL, m.crl_url, e) < 0 ||
	    pki_store_setting(s, PKI_OCSP_URL, m.ocsp_url, e) < 0 ||
	    pki_store_setting(s, PKI_CRL_PARTITIONS, n, e) < 0)
		return -1;
	if (n[0] != '\0' && num_parse(n, 0, PKI_PARTITIONS_MAX, &v, e) < 0)
		return -1;
	m.crl_partitions = (uint8_t)v;
	if (json)
		return out_json(stdout, &pki_settings_type, &m, e);
	printf("crl-url         %s\ncrl-partitions  %u\nocsp-url        %s\n",
	    m.crl_url, m.crl_partitions, m.ocsp_url);
	return 0;
}

/* What was changed, in the transaction that is open. */
static int
note(struct pki_store *s, const char *crl, const char *n, const char *ocsp,
    struct err *e)
{
	char why[256];
	const struct pki_audit_row about = { .why = why + 1 };

	snprintf(why, sizeof(why), "%s%.80s%s%.16s%s%.80s",
	    crl == NULL ? "" : " crl-url ", crl == NULL ? "" : crl,
	    n == NULL ? "" : " crl-partitions ", n == NULL ? "" : n,
	    ocsp == NULL ? "" : " ocsp-url ", ocsp == NULL ? "" : ocsp);
	return cmd_note(s, PKI_AUDIT_CHANGED, "settings", &about, e);
}

int
cmd_settings(int argc, char **argv)
{
	const char *store = NULL, *crl = NULL, *n = NULL, *ocsp = NULL;
	bool json = false;
	const struct opt opts[] = {
		CMD_STORE_OPT(&store), CMD_URL_OPTS(&crl, &n, &ocsp),
		CMD_JSON_OPT(&json), OPT_END,
	};
	struct pki_store *s;
	struct err e = { 0 };
	int status, rc = -1;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS]", 0, 0, &status) < 0)
		return status;
	s = pki_store_open(cmd_store_path(store), PKI_STORE_OPEN, &e);
	if (s == NULL)
		return command_fail(cmd_status_of(&e), &e);
	if (crl == NULL && n == NULL && ocsp == NULL)
		rc = show(s, json, &e);
	else if (pki_store_begin(s, &e) == 0 &&
	    cmd_settings_put(s, crl, n, ocsp, &e) == 0 &&
	    note(s, crl, n, ocsp, &e) == 0)
		rc = pki_store_commit(s, &e);
	pki_store_close(s);
	return rc < 0 ? command_fail(cmd_status_of(&e), &e) : EXIT_OK;
}
