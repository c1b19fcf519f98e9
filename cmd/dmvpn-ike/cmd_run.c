#include <stdlib.h>

#include "cmd.h"
#include "serve.h"
#include "sys/daemon.h"
#include "sys/log.h"

static int
run(struct serve_conf *conf, const struct daemon_opts *o)
{
	char socket[108], gre[108], pki[108];
	struct daemon *d = calloc(1, sizeof(*d));
	struct err e;
	int rc = -1;

	if (d == NULL)
		return EXIT_SYSTEM;
	conf->socket = socket;
	conf->gre_path = gre;
	conf->pki_path = pki;
	if (run_path(socket, sizeof(socket), "ike.sock", &e) == 0 &&
	    run_path(gre, sizeof(gre), "gre.sock", &e) == 0 &&
	    run_path(pki, sizeof(pki), "pki.sock", &e) == 0)
		rc = serve_open(d, conf, &e);
	if (rc == 0) {
		log_event(LEVEL_INFO, "serving", U("port", conf->port),
		    T("socket", socket));
		daemon_ready(o);
		rc = serve_run(d, &e);
	}
	serve_close(d);
	free(d);
	return rc < 0 ? command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
}

int
cmd_run(int argc, char **argv)
{
	struct serve_conf conf = { .gre_fd = -1, .pki_fd = -1 };
	struct daemon_opts o = { 0 };
	uint64_t port = 500;
	const struct opt opts[] = {
		DAEMON_OPTS(o),
		DAEMON_GROUP(o),
		{ 0, "port", "PORT", "UDP port, 500", OPT_NUM, &port, 1,
		  65535 },
		{ 0, "export-keys", "FILE", "append the keys of IKE SAs, as "
		  "Wireshark's ikev2_decryption_table", OPT_TEXT,
		  &conf.key_file, 0, 0 },
		OPT_END
	};
	int status;

	if (opt_parse(&argc, &argv, opts, "[-r FD] [--user NAME] "
	    "[--port PORT] [--export-keys FILE]", 0, 0, &status) < 0 ||
	    daemon_opts(&o, &status) < 0)
		return status;
	conf.user = o.user;
	conf.group = o.gid;
	conf.port = (uint16_t)port;
	return run(&conf, &o);
}
