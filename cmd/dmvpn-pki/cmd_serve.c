#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd_ca.h"
#include "crypto/scep.h"
#include "pki_desk.h"
#include "pki_file.h"
#include "pki_sql.h"
#include "serve_web.h"
#include "sys/ask.h"
#include "sys/daemon.h"
#include "sys/log.h"
#include "sys/serve.h"

#define SOCKET		"pki-serve.sock"
#define PATIENCE	5000u	/* ms for another writer: others wait, too */
#define BACKLOG		1024	/* who waits for a place */

struct serve_opts {
	struct daemon_opts	 daemon;
	const char		*store, *pass_file, *tls_names;
	struct opt_list		 http, https, names;
	uint64_t		 crl_days, rate;
	bool			 scep_legacy, need_proof;
};

/* --------------------------------------------------------- the CA's half */

/* The folder of the store: its journal comes and goes beside it. */
static void
folder_of(const char *path, char *out, size_t len)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(out, len, ".");
	else
		snprintf(out, len, "%.*s", slash == path ? 1 :
		    (int)(slash - path), path);
}

static int
desk_confine(const char *store, struct err *e)
{
	const struct priv none = { .user = NULL };
	char folder[4096];
	const struct sandbox_path paths[] = { { folder, true },
		{ NULL, false } };
	const struct sandbox_conf box = { .paths = paths,
		.flags = SANDBOX_FILES | SANDBOX_SQLITE };

	folder_of(store, folder, sizeof(folder));
	return priv_drop(&none, e) < 0 ? -1 : sandbox_enter(&box, e);
}

/* The CA with its keys, and the desk before it. */
struct back {
	struct cmd_ca	 c;
	struct desk	 d;
	uint64_t	 seen;		/* of which keys, in what state; 0: none */
};

static void
forget_old(struct desk *d)
{
	for (; d->n_cas > 1; d->n_cas--) {
		X509_free(d->cas[d->n_cas - 1].cert);
		EVP_PKEY_free(d->cas[d->n_cas - 1].key);
	}
}

static int
on_old(void *arg, const struct pki_ca *ca, int64_t generation)
{
	struct desk *d = arg;

	if (d->n_cas == DESK_KEYS || X509_up_ref(ca->cert) != 1)
		return 0;
	EVP_PKEY_up_ref(ca->key);
	d->cas[d->n_cas] = *ca;
	d->generations[d->n_cas++] = generation;
	return 0;
}

static int
take_keys(struct back *b, struct err *e)
{
	struct desk *d = &b->d;

	forget_old(d);
	desk_forget_keys(d);
	d->store = b->c.store;
	d->pass = b->c.pass;
	d->cas[0] = b->c.ca;
	d->generations[0] = b->c.generation;
	d->n_cas = 1;
	return cmd_ca_each_old(&b->c, on_old, d, e) == 0 ? 0 : -1;
}

/* Their certificates too: a restore may put another CA in the place. */
static int
on_authority(void *arg, const struct pki_authority *a)
{
	uint64_t *sum = arg;
	struct rbuf der = a->cert;

	*sum = *sum * 31 + (uint64_t)a->generation * 4 + (uint64_t)a->state + 1;
	while (rbuf_left(&der) > 0)
		*sum = *sum * 31 + rbuf_u8(&der);
	return 0;
}

/* With the passphrase that opened the one before. */
static int
reload(struct cmd_ca *c, struct err *e)
{
	struct pki_store_ca raw;
	const unsigned char *p;

	if (pki_store_ca(c->store, &raw, e) < 0)
		return -1;
	X509_free(c->ca.cert);
	EVP_PKEY_free(c->ca.key);
	p = raw.cert.p;
	c->ca.key = NULL;
	c->ca.cert = d2i_X509(NULL, &p, (long)rbuf_left(&raw.cert));
	c->generation = raw.generation;
	if (c->ca.cert == NULL)
		return err_set(e, EUCLEAN, "the CA's certificate is damaged");
	if (cmd_ca_unlock(c, NULL, e) == 0 &&
	    pki_store_commit(c->store, e) == 0)
		return 0;
	pki_store_rollback(c->store);
	return -1;
}

/* Keys come and go (rollover) while we serve. */
static int
refresh(void *arg, struct err *e)
{
	struct back *b = arg;
	uint64_t now = 0;

	if (pki_store_authorities(b->c.store, on_authority, &now, e) < 0)
		return -1;
	if (now == b->seen)
		return 0;
	if ((b->seen != 0 && reload(&b->c, e) < 0) || take_keys(b, e) < 0) {
		b->seen = 1;		/* the next question tries again */
		forget_old(&b->d);
		b->d.n_cas = 0;
		return -1;
	}
	if (b->seen != 0)
		log_event(LEVEL_INFO, "keys", U("keys", b->d.n_cas));
	b->seen = now;
	return 0;
}

static int
desk_open(struct back *b, const struct serve_opts *o, struct err *e)
{
	b->d.crl_days = o->crl_days;
	b->d.scep_legacy = o->scep_legacy;
	b->d.need_proof = o->need_proof;
	b->d.names = o->tls_names;
	b->d.refresh = refresh;
	b->d.arg = b;
	if (o->scep_legacy)
		(void)scep_open_legacy();
	if (cmd_ca_open(&b->c, o->store, e) < 0 ||
	    cmd_ca_unlock(&b->c, o->pass_file, e) < 0 ||
	    /* an older store lacks an index */
	    pki_store_tables(b->c.store, e) < 0)
		return cmd_status_of(e);
	pki_store_patience(b->c.store, PATIENCE);
	return pki_store_commit(b->c.store, e) < 0 || refresh(b, e) < 0 ||
	    desk_confine(cmd_store_path(o->store), e) < 0 ? EXIT_SYSTEM :
	    EXIT_OK;
}

/* It ends with the web's half: when the socket does. */
static int
desk_run(const struct serve_opts *o, int fd)
{
	struct back b = { .seen = 0 };
	struct err e = { 0 };
	int status, rc = 0;

	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	status = desk_open(&b, o, &e);
	while (status == EXIT_OK && (rc = serve_desk_once(&b.d, fd, &e)) == 0)
		continue;
	if (status == EXIT_OK && rc < 0)
		status = EXIT_SYSTEM;
	forget_old(&b.d);
	desk_fini(&b.d);
	cmd_ca_close(&b.c);
	return status == EXIT_OK ? EXIT_OK : command_fail(status, &e);
}

/* The child has the CA, we have the network.  Its pid, and our end. */
static pid_t
desk_start(const struct serve_opts *o, int *fd, struct err *e)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	if ((pid = fork()) < 0) {
		err_sys(e, "fork");
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	if (pid == 0) {
		close(pair[0]);
		/* What it does to the store is whole or not at all. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(desk_run(o, pair[1]));
	}
	close(pair[1]);
	*fd = pair[0];
	return pid;
}

/* ------------------------------------------------------- the web's half */

struct front {
	struct web			 web;
	struct server			*server;
	const struct serve_opts		*opts;
};

static void
on_serving(void *arg, const struct call *c, const void *in)
{
	struct front *f = arg;

	(void)in;
	f->web.seen.connections = f->web.n_visits;
	call_reply(c, &pki_serving_reply_type, &f->web.seen);
}

static const struct serve_row rows[] = {
	{ &pki_serving_type, on_serving, false },
};

static void
on_signal(void *arg)
{
	struct front *f = arg;

	loop_stop(f->web.loop);
}

static int
bind_tcp(const struct endpoint *p, struct err *e)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
		.sin_port = htons(p->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(p->port) };
	bool v6 = p->addr.len == 16;
	int one = 1, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM |
	    SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct addr_buf ab;

	memcpy(&in4.sin_addr, p->addr.b, sizeof(in4.sin_addr));
	memcpy(&in6.sin6_addr, p->addr.b, sizeof(in6.sin6_addr));
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) == 0 && (!v6 || setsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in4,
	    v6 ? sizeof(in6) : sizeof(in4)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err_sys(e, "listen at %s", endpoint_text(p, &ab));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* "192.0.2.1:8443", ":8443" for all addresses of IPv4, "[::]:8443". */
static int
place_of(const char *text, bool tls, struct endpoint *p, struct err *e)
{
	char full[80];

	if (snprintf(full, sizeof(full), "%s%s", text[0] == ':' ? "0.0.0.0" :
	    "", text) >= (int)sizeof(full))
		return err_set(e, EINVAL, "\"%.40s...\" is no address", text);
	return endpoint_parse(full, tls ? 443 : 80, p, e);
}

static int
listen_at(struct web *w, const char *text, bool tls, struct err *e)
{
	struct endpoint p;
	struct addr_buf ab;
	int fd;

	if (place_of(text, tls, &p, e) < 0 || (fd = bind_tcp(&p, e)) < 0)
		return -1;
	snprintf(w->seen.listens[w->seen.n_listens],
	    sizeof(w->seen.listens[0]), "%s://%s", tls ? "https" : "http",
	    endpoint_text(&p, &ab));
	if (web_listen(w, fd, tls, e) < 0)
		return -1;
	w->seen.n_listens++;
	return 0;
}

static int
listen_all(struct web *w, const struct serve_opts *o, struct err *e)
{
	size_t i;

	for (i = 0; i < o->http.n; i++)
		if (listen_at(w, o->http.v[i], false, e) < 0)
			return err_in(e, "--http");
	for (i = 0; i < o->https.n; i++)
		if (listen_at(w, o->https.v[i], true, e) < 0)
			return err_in(e, "--https");
	return 0;
}

/* Before anybody is asked for a passphrase. */
static int
check_places(const struct serve_opts *o, struct err *e)
{
	struct endpoint p;
	size_t i;

	for (i = 0; i < o->http.n; i++)
		if (place_of(o->http.v[i], false, &p, e) < 0)
			return err_in(e, "--http");
	for (i = 0; i < o->https.n; i++)
		if (place_of(o->https.v[i], true, &p, e) < 0)
			return err_in(e, "--https");
	return 0;
}

static int
front_open(struct front *f, struct err *e)
{
	char path[108];
	const struct server_conf conf = { .program = "dmvpn-pki",
		.path = path, .rows = rows,
		.n_rows = sizeof(rows) / sizeof(rows[0]), .arg = f,
		.group = (gid_t)-1 };

	if (run_dir_make(e) < 0 || run_path(path, sizeof(path), SOCKET,
	    e) < 0 || (f->server = server_new(f->web.loop, &conf, e)) == NULL)
		return -1;
	return daemon_signals(f->web.loop, on_signal, f, e);
}

static void
on_ready(void *arg)
{
	struct front *f = arg;

	daemon_ready(&f->opts->daemon);
	log_event(LEVEL_INFO, "serving", U("listeners", f->web.n_listeners),
	    T("names", f->web.names));
}

static int
front_run(struct front *f, const struct serve_opts *o, int desk,
    const char *names, struct err *e)
{
	struct web *w = &f->web;

	f->opts = o;
	w->ready = on_ready;
	w->arg = f;
	w->seen.since = clock_ms();
	w->rate.a_second = o->rate;
	if ((w->loop = loop_new(e)) == NULL) {
		close(desk);
		return -1;
	}
	if (web_open(w, desk, names, e) < 0 || listen_all(w, o, e) < 0 ||
	    front_open(f, e) < 0 || daemon_confine(o->daemon.user, 0, true,
	    NULL, e) < 0 || web_tls_ask(w, e) < 0 ||
	    loop_run(w->loop, e) < 0)
		return -1;
	return w->failed ? err_set(e, EPIPE, "the CA's half has ended") : 0;
}

/* Its status is ours when it had something to say. */
static int
desk_end(pid_t pid, int status)
{
	int how;

	while (waitpid(pid, &how, 0) < 0)
		if (errno != EINTR)
			return status;
	return WIFEXITED(how) && WEXITSTATUS(how) != 0 ? WEXITSTATUS(how) :
	    status;
}

static int
serve(const struct serve_opts *o, const char *names)
{
	struct front f = { .server = NULL };
	struct err e = { 0 };
	int fd = -1, status = EXIT_OK, rc;
	pid_t pid = desk_start(o, &fd, &e);

	if (pid < 0)
		return command_fail(EXIT_SYSTEM, &e);
	rc = front_run(&f, o, fd, names, &e);
	web_close(&f.web);
	server_free(f.server);
	loop_free(f.web.loop);
	if (rc < 0)
		status = EXIT_SYSTEM;
	rc = desk_end(pid, EXIT_OK);
	if (rc != EXIT_OK)
		return rc;		/* it has said why */
	return status == EXIT_OK ? EXIT_OK : command_fail(status, &e);
}

/* The names of our certificate, checked later by the half that issues it. */
static int
join_names(const struct opt_list *l, char *out, size_t len, struct err *e)
{
	struct wbuf w = wbuf_of(out, len);
	char host[256] = "localhost";
	size_t i;

	if (l->n == 0) {
		(void)gethostname(host, sizeof(host) - 1);
		wbuf_put(&w, host, strlen(host));
	}
	for (i = 0; i < l->n; i++) {
		wbuf_put(&w, " ", i > 0);
		wbuf_put(&w, l->v[i], strlen(l->v[i]));
	}
	wbuf_u8(&w, '\0');
	return wbuf_ok(&w) ? 0 : err_set(e, EINVAL, "too many --name");
}

int
cmd_serve(int argc, char **argv)
{
	struct serve_opts o = { .crl_days = 7, .rate = 20 };
	const struct opt opts[] = {
		CMD_STORE_OPT(&o.store), CMD_PASS_OPT(&o.pass_file),
		{ 0, "http", "ADDRESS[:PORT]", "CRL, OCSP and SCEP there; "
		    "repeatable", OPT_LIST, &o.http, 0, 0 },
		{ 0, "https", "ADDRESS[:PORT]", "EST too; repeatable",
		    OPT_LIST, &o.https, 0, 0 },
		{ 0, "name", "HOST", "a name or address by which clients know "
		    "us; repeatable", OPT_LIST, &o.names, 0, 0 },
		{ 0, "crl-days", "DAYS", "how long a list is valid", OPT_NUM,
		    &o.crl_days, 1, 3650 },
		{ 0, "rate", "N", "requests a second for one address; 0: all",
		    OPT_NUM, &o.rate, 0, 1000000 },
		{ 0, "need-proof", NULL, "who renews by EST proves his old "
		    "key to the CA, not only to TLS", OPT_FLAG, &o.need_proof,
		    0, 0 },
		{ 0, "scep-legacy", NULL, "old clients of SCEP may use 3DES "
		    "and SHA-1", OPT_FLAG, &o.scep_legacy, 0, 0 },
		DAEMON_OPTS(o.daemon),
		OPT_END,
	};
	char names[256];
	struct err e = { 0 };
	int status;

	if (opt_parse(&argc, &argv, opts, "--http ADDRESS[:PORT] "
	    "--https ADDRESS[:PORT] [--name HOST]...", 0, 0, &status) < 0 ||
	    daemon_opts(&o.daemon, &status) < 0)
		return status;
	if (o.http.n + o.https.n == 0)
		return command_usage("--http or --https is wanted");
	if (o.http.n + o.https.n > WEB_LISTENS)
		return command_usage("at most %d addresses", WEB_LISTENS);
	if (check_places(&o, &e) < 0 ||
	    join_names(&o.names, names, sizeof(names), &e) < 0)
		return command_fail(EXIT_USAGE, &e);
	o.tls_names = names;
	return serve(&o, names);
}

/* ---------------------------------------------------------------- serving */

static void
row(const char *what, uint64_t n)
{
	printf("%-12s %llu\n", what, (unsigned long long)n);
}

int
cmd_serving(int argc, char **argv)
{
	const struct pki_serving ask = { .none = 0 };
	struct pki_serving_reply r;
	bool json = false;
	const struct opt opts[] = { CMD_JSON_OPT(&json), OPT_END };
	struct err e = { 0 };
	char since[16];
	size_t i;
	int status;

	if (opt_parse(&argc, &argv, opts, "[-j]", 0, 0, &status) < 0)
		return status;
	status = command_call(SOCKET, &pki_serving_type, &ask,
	    &pki_serving_reply_type, &r);
	if (status != EXIT_OK)
		return status;
	if (json)
		return out_json(stdout, &pki_serving_reply_type, &r, &e) < 0 ?
		    command_fail(EXIT_SYSTEM, &e) : EXIT_OK;
	printf("%-12s %s\n", "up", human_time((clock_ms() - r.since) / 1000,
	    since));
	for (i = 0; i < r.n_listens; i++)
		printf("%-12s %s\n", i == 0 ? "listens" : "", r.listens[i]);
	row("connections", r.connections);
	row("accepted", r.accepted);
	row("dropped", r.dropped);
	row("requests", r.requests);
	row("answered", r.answered);
	row("refused", r.refused);
	row("failed", r.failed);
	return EXIT_OK;
}
