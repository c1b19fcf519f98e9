#include "cmd_enroll.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd_ca.h"
#include "pki_key.h"
#include "pki_name.h"

#define USER_MAX	63
#define WAIT_DEFAULT	3600
#define WAIT_MAX	(86400 * 30)

int
cmd_enroll_status(const struct err *e)
{
	switch (e->code) {
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPIPE:
		return EXIT_SYSTEM;
	default:
		return cmd_status_of(e);
	}
}

/* "NAME", or with --renew the name of the file. */
static int
take_name(struct enroll_opts *o, const char *name, struct err *e)
{
	if (name == NULL && o->renew == NULL)
		return err_set(e, EINVAL, "a NAME is missing");
	if (name == NULL)
		return pki_name_of_file(o->renew, o->name, e);
	if (pki_name_check(name, e) < 0)
		return -1;
	snprintf(o->name, sizeof(o->name), "%s", name);
	return 0;
}

static int
check(const struct enroll_opts *o, struct err *e)
{
	if (o->challenge != NULL && o->ask)
		return err_set(e, EINVAL, "--challenge-file or --ask, not "
		    "both");
	if (o->user != NULL && strlen(o->user) > USER_MAX)
		return err_set(e, EINVAL, "--user: over %d octets", USER_MAX);
	if (o->type != NULL && o->key_file != NULL)
		return err_set(e, EINVAL, "--key has its type already");
	if (o->type != NULL && pki_key_type_check(o->type, e) < 0)
		return -1;
	if (o->identity != NULL && pki_name_check(o->identity, e) < 0)
		return err_in(e, "--identity");
	if (o->watch && (o->dry || (o->out != NULL &&
	    strcmp(o->out, "-") == 0)))
		return err_set(e, EINVAL, "--watch needs a file to renew");
	if (o->alarm != NULL && !o->watch)
		return err_set(e, EINVAL, "--alarm is for --watch");
	if (o->crl != NULL && o->protocol->crl == NULL)
		return err_set(e, EINVAL, "%s carries no revocation lists",
		    o->protocol->name);
	return 0;
}

static int
once(const struct enroll_opts *o, struct err *e)
{
	struct attempt a;
	struct err why = { 0 };
	int loaded = 0, rc = cmd_attempt_begin(&a, o, e);

	if (rc == 0)
		rc = cmd_enroll_confine(o, e);
	if (rc == 0 && o->dry)
		rc = cmd_attempt_show(&a, e);
	else if (rc == 0)
		rc = cmd_attempt_run(&a, e);
	if (rc == 0 && !o->dry) {
		if (!o->no_load && (loaded = cmd_attempt_load(&a, &why)) < 0)
			fprintf(stderr, "%s: the agent does not take it: %s\n",
			    command_program(), why.msg);
		rc = cmd_attempt_tell(&a, loaded, e);
	}
	cmd_attempt_end(&a);
	return rc;
}

/* The table of options: whom to trust and who we are, what is wanted and
 * where it goes, how it is done. */
#define WHO_OPTS(o)	\
	{ 'F', "fingerprint", "HEX", "of the CA's certificate, SHA-256 "	\
	    "or SHA-1", OPT_TEXT, &(o).print, 0, 0 },	\
	{ 't', "trust", "FILE", "CA certificates that are trusted",	\
	    OPT_LIST, &(o).trust, 0, 0 },	\
	{ 0, "ra", "HEX", "SHA-256 of a certificate that speaks for the "	\
	    "CA, and does not say so (scep)", OPT_LIST, &(o).ras, 0, 0 }, \
	{ 0, "accept-ca", NULL, "trust whatever CA the server shows",	\
	    OPT_FLAG, &(o).accept, 0, 0 },	\
	{ 'c', "challenge-file", "FILE", "its first line is the "	\
	    "challenge or password; \"-\" is standard input",	\
	    OPT_TEXT, &(o).challenge, 0, 0 },	\
	{ 'a', "ask", NULL, "ask for the challenge on the terminal",	\
	    OPT_FLAG, &(o).ask, 0, 0 },	\
	{ 'u', "user", "NAME", "who the password is of (est, cmp)",	\
	    OPT_TEXT, &(o).user, 0, 0 },	\
	{ 'D', "dns", "NAME", "subjectAltName; NAME itself when none is "	\
	    "given", OPT_LIST, &(o).dns, 0, 0 },	\
	{ 'I', "ip", "ADDRESS", "subjectAltName", OPT_LIST, &(o).ips,	\
	    0, 0 },	\
	{ 'E', "email", "ADDRESS", "subjectAltName", OPT_LIST,	\
	    &(o).emails, 0, 0 },	\
	{ 0, "no-names", NULL, "ask for no subjectAltName", OPT_FLAG,	\
	    &(o).no_names, 0, 0 },	\
	{ 0, "subject", "DN", "CN=NAME if not given", OPT_TEXT,	\
	    &(o).subject, 0, 0 },	\
	{ 0, "template", "NAME", "certificate template, for Microsoft's "	\
	    "CA", OPT_TEXT, &(o).template, 0, 0 },	\
	{ 0, "label", "TEXT", "which CA of the server", OPT_TEXT,	\
	    &(o).label, 0, 0 }
#define WHAT_OPTS(o)	\
	{ 'k', "key-type", "TYPE", PKI_KEY_TYPES, OPT_TEXT, &(o).type,	\
	    0, 0 },	\
	{ 0, "key", "FILE", "use this key, make none", OPT_TEXT,	\
	    &(o).key_file, 0, 0 },	\
	{ 'P', "passphrase-file", "FILE", "its first line locks and "	\
	    "opens keys", OPT_TEXT, &(o).key_pass, 0, 0 },	\
	{ 'o', "out", "FILE", "where it goes; NAME.pem if not given",	\
	    OPT_TEXT, &(o).out, 0, 0 },	\
	{ 'f', "force", NULL, "replace FILE", OPT_FLAG, &(o).force,	\
	    0, 0 },	\
	{ 0, "crl", "FILE", "put the CA's revocation list there, too "	\
	    "(scep)", OPT_TEXT, &(o).crl, 0, 0 }
#define HOW_OPTS(o)	\
	{ 'R', "renew", "FILE", "renew what is in FILE, and replace it "	\
	    "there", OPT_TEXT, &(o).renew, 0, 0 },	\
	{ 'w', "watch", NULL, "stay, and renew at 2/3 of the lifetime",	\
	    OPT_FLAG, &(o).watch, 0, 0 },	\
	{ 0, "alarm", "FILE", "--watch: it is there while renewal "	\
	    "fails, and says why", OPT_TEXT, &(o).alarm, 0, 0 },	\
	{ 0, "wait", "TIME", "how long the CA may think about it; 1h "	\
	    "if not given", OPT_TIME, &(o).wait, 0, WAIT_MAX },	\
	{ 0, "timeout", "TIME", "of one exchange; 30s if not given",	\
	    OPT_TIME, &(o).seconds, 1, 600 },	\
	{ 0, "legacy", NULL, "let 3DES and SHA-1 pass (scep)",	\
	    OPT_FLAG, &(o).legacy, 0, 0 },	\
	{ 0, "identity", "NAME", "the agent's name for it; NAME if not "	\
	    "given", OPT_TEXT, &(o).identity, 0, 0 },	\
	{ 0, "no-load", NULL, "the agent does not get it", OPT_FLAG,	\
	    &(o).no_load, 0, 0 },	\
	{ 'n', "dry-run", NULL, "show what the server says of itself, "	\
	    "ask for nothing", OPT_FLAG, &(o).dry, 0, 0 }

static int
enroll_main(int argc, char **argv, const struct enroll_protocol *protocol)
{
	struct enroll_opts o = { .protocol = protocol,
		.wait = WAIT_DEFAULT };
	const struct opt opts[] = {
		WHO_OPTS(o), WHAT_OPTS(o), HOW_OPTS(o),
		CMD_JSON_OPT(&o.json),
		{ 'r', "ready-fd", "FD", "--watch: write a newline there when "
		    "there is something to watch", OPT_NUM,
		    &o.daemon.ready_fd, 3, 1023 },
		{ 0, "log-level", "LEVEL", "error, warn, info or debug",
		    OPT_TEXT, &o.daemon.level, 0, 0 },
		OPT_END,
	};
	struct err e = { 0 };
	int status, rc;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS] URL NAME", 1, 2,
	    &status) < 0 || daemon_opts(&o.daemon, &status) < 0)
		return status;
	o.url = argv[0];
	if (take_name(&o, argc > 1 ? argv[1] : NULL, &e) < 0 ||
	    check(&o, &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	signal(SIGPIPE, SIG_IGN);
	rc = o.watch ? cmd_enroll_watch(&o, &e) : once(&o, &e);
	return rc < 0 ? command_fail(cmd_enroll_status(&e), &e) : EXIT_OK;
}

static int
enroll_by_scep(int argc, char **argv)
{
	return enroll_main(argc, argv, &enroll_scep);
}

static int
enroll_by_est(int argc, char **argv)
{
	return enroll_main(argc, argv, &enroll_est);
}

static int
enroll_by_cmp(int argc, char **argv)
{
	return enroll_main(argc, argv, &enroll_cmp);
}

/* A protocol that comes adds its row. */
static const struct command protocols[] = {
	{ "scep", enroll_by_scep, "[OPTIONS] URL NAME",
	    "Microsoft's NDES, Cisco and many others (RFC 8894)" },
	{ "est", enroll_by_est, "[OPTIONS] URL NAME",
	    "HTTPS with a password or a certificate (RFC 7030)" },
	{ "cmp", enroll_by_cmp, "[OPTIONS] URL NAME",
	    "EJBCA and others, by a reference and a secret (RFC 4210)" },
	{ NULL, NULL, NULL, NULL },
};

int
cmd_enroll(int argc, char **argv)
{
	return command_group(argc, argv, protocols);
}
