#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd_crl.h"
#include "msg/msg.h"
#include "pki_key.h"
#include "pki_safe.h"
#include "serve.h"
#include "sys/daemon.h"
#include "sys/log.h"

#define RATE_DEFAULT	5000

struct agent_opts {
	struct daemon_opts daemon;
	struct opt_list	 load, psk, trust, crls, allow;
	const char	*id, *peer_id, *pass_file;
	uint64_t	 fd, rate;
	bool		 pss;
};

static int
load_one(struct agent *a, const struct agent_opts *o, const char *text,
    bool psk, struct err *e)
{
	struct load_what what = { .psk = psk, .id = o->id,
		.peer_id = psk ? o->peer_id : NULL, .pss = o->pss,
		.trust = psk ? NULL : &o->trust, .pass_file = o->pass_file };
	struct pki_bundle b = { .key = NULL };
	struct pki_load m;
	struct reason why;
	char name[64], line[1024];
	int rc = -1;

	what.name = name;
	if ((what.file = cmd_name_file(text, name, e)) != NULL &&
	    cmd_load_make(&what, &b, &m, e) == 0 &&
	    (rc = pki_ring_load(&a->ring, &m, &why)) < 0)
		err_set(e, EINVAL, "%s: %.300s", what.file,
		    reason_text(&why, line, sizeof(line)));
	pki_bundle_fini(&b);
	pki_safe_stack();
	return rc;
}

static int
preload(struct agent *a, const struct agent_opts *o, struct err *e)
{
	size_t i;

	for (i = 0; i < o->load.n; i++)
		if (load_one(a, o, o->load.v[i], false, e) < 0)
			return -1;
	for (i = 0; i < o->psk.n; i++)
		if (load_one(a, o, o->psk.v[i], true, e) < 0)
			return -1;
	if (cmd_crls_preload(&a->ring, &o->crls, e) < 0)
		return -1;
	for (i = 0; i < o->allow.n; i++)
		if (pki_ring_allow(&a->ring, o->allow.v[i], e) < 0)
			return err_in(e, "--allow");
	return 0;
}

/* OpenSSL opens its configuration, providers and random source now: later
 * there are no files. */
static int
warm_up(struct err *e)
{
	static const char *const types[] = { "p256", "p384", "ed25519" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		EVP_PKEY *k = pki_key_make(types[i], e);
		struct secret *der = k == NULL ? NULL : pki_key_der(k, e);

		EVP_PKEY_free(k);
		if (der == NULL)
			return -1;
		secret_free(der);
	}
	return 0;
}

static int
run(struct agent *a, const struct agent_opts *o, struct err *e)
{
	char path[108];
	bool own = o->fd == 0;

	if (warm_up(e) < 0 || preload(a, o, e) < 0)
		return cmd_input_status(e);
	if (own && (run_dir_make(e) < 0 ||
	    run_path(path, sizeof(path), "pki.sock", e) < 0))
		return EXIT_SYSTEM;
	if (serve_open(a, own ? path : NULL, own ? -1 : (int)o->fd,
	    o->daemon.gid, e) < 0)
		return EXIT_SYSTEM;
	/* Nothing but the socket's own directory, to take it away again. */
	if (daemon_confine(o->daemon.user, SANDBOX_UNIX, own, NULL, e) < 0)
		return EXIT_SYSTEM;
	daemon_ready(&o->daemon);
	log_event(LEVEL_INFO, "serving", U("identities", a->ring.n));
	return serve_run(a, e) < 0 ? EXIT_SYSTEM : EXIT_OK;
}

int
cmd_agent(int argc, char **argv)
{
	struct agent_opts o = { .rate = RATE_DEFAULT };
	const struct opt opts[] = {
		{ 'l', "load", "[NAME=]FILE", "PEM file with key and "
		    "certificates", OPT_LIST, &o.load, 0, 0 },
		{ 0, "psk", "[NAME=]FILE", "file that holds a PSK", OPT_LIST,
		    &o.psk, 0, 0 },
		{ 't', "trust", "FILE", "more CA certificates for --load",
		    OPT_LIST, &o.trust, 0, 0 },
		{ 0, "crl", "FILE", "revocation lists", OPT_LIST, &o.crls,
		    0, 0 },
		{ 0, "id", "ID", "our IKE identity; else from the certificate, "
		    "or NAME", OPT_TEXT, &o.id, 0, 0 },
		{ 0, "peer-id", "ID", "whom the PSK is for; else for all",
		    OPT_TEXT, &o.peer_id, 0, 0 },
		{ 0, "pss", NULL, "RSA: sign with PSS", OPT_FLAG, &o.pss,
		    0, 0 },
		{ 'P', "passphrase-file", "FILE", "opens encrypted keys",
		    OPT_TEXT, &o.pass_file, 0, 0 },
		{ 0, "allow", "UID=IDENTITY", "only this uid may use it",
		    OPT_LIST, &o.allow, 0, 0 },
		{ 0, "rate", "N", "signatures a second for one identity",
		    OPT_NUM, &o.rate, 1, 1000000 },
		{ 0, "fd", "N", "serve one client on this socket, and no other",
		    OPT_NUM, &o.fd, 3, 1023 },
		DAEMON_OPTS(o.daemon),
		DAEMON_GROUP(o.daemon),
		OPT_END,
	};
	struct agent a = { .peek = -1 };
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "[OPTIONS]", 0, 0, &status) < 0 ||
	    daemon_opts(&o.daemon, &status) < 0)
		return status;
	if (!pki_safe_begin())
		log_event(LEVEL_WARN, "no-secure-heap");
	pki_ring_init(&a.ring, o.rate);
	status = run(&a, &o, &e);
	serve_close(&a);
	return status == EXIT_OK ? EXIT_OK : command_fail(status, &e);
}
