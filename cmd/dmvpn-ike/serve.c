#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "crypto/dh.h"
#include "crypto/prf.h"
#include "sys/daemon.h"
#include "sys/log.h"
#include "sys/priv.h"
#include "wire/ike_names.h"

#define PORT_NAT	4500
#define STOP_DELAY	100	/* ms, for what waits to be sent */

/* ---- what the engine wants done ---- */

static int
op_random(void *arg, void *to, size_t len)
{
	struct daemon *d = arg;

	return pool_take(&d->random, to, len, NULL);
}

static void
op_send(void *arg, const struct endpoint *local,
    const struct endpoint *remote, const void *data, size_t len)
{
	struct daemon *d = arg;

	if (local->port == PORT_NAT)
		serve_gre_send(d, local, remote, data, len);
	else
		serve_udp_send(d, local, remote, data, len);
}

static void
log_failed(const struct ike_failed *f)
{
	char text[1024];
	struct addr_buf b;

	log_event(LEVEL_WARN, "ike-failed",
	    T("connection", f->connection[0] != '\0' ? f->connection :
	    f->profile[0] != '\0' ? f->profile : "-"),
	    T("peer", endpoint_text(&f->remote, &b)),
	    T("code", f->reason.code),
	    T("why", reason_text(&f->reason, text, sizeof(text))));
}

static void
log_waiting(const struct ike_waiting *w)
{
	char text[1024];
	struct addr_buf b;

	log_event(LEVEL_WARN, "ike-waiting", T("connection", w->connection),
	    T("peer", endpoint_text(&w->remote, &b)),
	    T("why", reason_text(&w->reason, text, sizeof(text))));
}

static void
log_up(const struct ike_up *u)
{
	struct addr_buf b;

	log_event(LEVEL_INFO, "ike-up", U("peer", u->peer),
	    T("identity", u->identity), T("remote",
	    endpoint_text(&u->remote, &b)), T("profile", u->profile));
}

static void
log_down(const struct ike_down *w)
{
	char text[1024];

	log_event(LEVEL_INFO, "ike-down", U("peer", w->peer),
	    T("identity", w->identity), T("code", w->reason.code),
	    T("why", reason_text(&w->reason, text, sizeof(text))));
}

static void
write_key(struct daemon *d, const struct ike_keys *k)
{
	if (d->keys == NULL)
		return;
	fprintf(d->keys, "%s\n", k->line);
	fflush(d->keys);
}

static void
op_event(void *arg, const struct msg_type *t, const void *m)
{
	struct daemon *d = arg;

	if (t == &ike_failed_type) {
		log_failed(m);
		serve_remember(d, m);
	} else if (t == &ike_waiting_type)
		log_waiting(m);
	else if (t == &ike_up_type)
		log_up(m);
	else if (t == &ike_down_type)
		log_down(m);
	else if (t == &ike_keys_type)
		write_key(d, m);
	if (d->conf.tap != NULL)
		d->conf.tap(d->conf.tap_arg, t, m);
	if (d->server != NULL && (t != &ike_keys_type || d->keys != NULL))
		server_event(d->server, t, m);
}

/* Keys leave the engine only with --export-keys. */
static bool
op_wanted(void *arg, const struct msg_type *t)
{
	const struct daemon *d = arg;

	if (t == &ike_keys_type)
		return d->keys != NULL;
	return d->server != NULL && server_wanted(d->server, t);
}

static void
op_note(void *arg, bool warn, const char *id, const char *peer,
    const char *why)
{
	(void)arg;
	log_event(warn ? LEVEL_WARN : LEVEL_INFO, id, T("peer", peer),
	    T("why", why));
}

/* ---- time ---- */

static void
wake_now(void *arg)
{
	struct daemon *d = arg;

	ike_engine_wake(d->engine, loop_now(d->loop), clock_wall());
	serve_turn(d);
}

static void
turn_over(void *arg)
{
	struct daemon *d = arg;
	uint64_t at = ike_engine_next(d->engine);

	if (at != d->wake.at)
		timer_set(d->loop, &d->wake, at, wake_now, d);
}

void
serve_turn(struct daemon *d)
{
	after_turn(d->loop, &d->turn, turn_over, d);
}

/* ---- beginning and end ---- */

static void
quit(void *arg)
{
	loop_stop(((struct daemon *)arg)->loop);
}

void
serve_stop(struct daemon *d, bool keep)
{
	struct err e;

	if (d->stopping)
		return;
	d->stopping = true;
	ike_engine_stop(d->engine, loop_now(d->loop), keep);
	if (timer_at(d->loop, &d->quit, loop_now(d->loop) + STOP_DELAY, quit,
	    d, &e) < 0)
		loop_stop(d->loop);
}

static void
on_signal(void *arg)
{
	serve_stop(arg, false);
}

static int
keys_open(struct daemon *d, struct err *e)
{
	int fd;

	if (d->conf.key_file == NULL)
		return 0;
	fd = open(d->conf.key_file, O_WRONLY | O_CREAT | O_APPEND |
	    O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", d->conf.key_file);
	d->keys = fdopen(fd, "a");
	if (d->keys != NULL)
		return 0;
	close(fd);
	return err_sys(e, "open %s", d->conf.key_file);
}

static int
engine_open(struct daemon *d, struct err *e)
{
	const struct ike_ops ops = {
		.arg = d, .random = op_random, .local_for = serve_local_for,
		.send = op_send, .call = serve_call, .event = op_event,
		.wanted = op_wanted, .probed = serve_probed,
		.note = op_note,
	};

	d->engine = ike_engine_new(&ops, NULL, clock_ms(), e);
	return d->engine == NULL ? -1 : 0;
}

static int
server_open(struct daemon *d, struct err *e)
{
	static const struct msg_type *const secrets[] = { &ike_keys_type,
	    NULL };
	const struct server_conf conf = {
		.program = "dmvpn-ike", .secrets = secrets, .path = d->conf.socket,
		.rows = serve_rows, .n_rows = serve_n_rows, .arg = d,
		.group = d->conf.group,
	};

	if (d->conf.socket == NULL)
		return 0;
	if (run_dir_make(e) < 0)
		return -1;
	d->server = server_new(d->loop, &conf, e);
	return d->server == NULL ? -1 : 0;
}

/* OpenSSL opens its configuration and providers at the first use: later there
 * are no files. */
static int
warm_up(struct err *e)
{
	static const uint16_t groups[] = { IKE_GROUP_X25519,
	    IKE_GROUP_ECP256, IKE_GROUP_MODP2048 };
	const uint8_t seed[DH_SEED_LEN] = { 1 };
	struct rbuf part = rbuf_of(seed, sizeof(seed));
	uint8_t out[PRF_MAX];
	struct dh *dh;
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		dh = dh_new(groups[i], seed, e);
		if (dh == NULL)
			return -1;
		dh_free(dh);
	}
	return prf_make(IKE_PRF_HMAC_SHA256, part, &part, 1, out, e);
}

int
serve_open(struct daemon *d, const struct serve_conf *conf, struct err *e)
{
	memset(d, 0, sizeof(*d));
	d->conf = *conf;
	d->udp4 = d->udp6 = d->ask4 = d->ask6 = -1;
	d->loop = loop_new(e);
	if (d->loop == NULL || serve_udp_open(d, e) < 0 ||
	    keys_open(d, e) < 0 || server_open(d, e) < 0 ||
	    engine_open(d, e) < 0 || warm_up(e) < 0 ||
	    daemon_confine(d->conf.user, SANDBOX_UNIX | SANDBOX_INET,
	    d->conf.socket != NULL, NULL, e) < 0)
		return -1;
	if (serve_links_open(d, e) < 0 || serve_udp_watch(d, e) < 0)
		return -1;
	return daemon_signals(d->loop, on_signal, d, e);
}

int
serve_run(struct daemon *d, struct err *e)
{
	return loop_run(d->loop, e);
}

void
serve_close(struct daemon *d)
{
	serve_links_close(d);
	serve_udp_close(d);
	after_stop(&d->turn);
	timer_stop(&d->wake);
	timer_stop(&d->quit);
	timer_stop(&d->give_up);
	server_free(d->server);
	ike_engine_free(d->engine);
	if (d->keys != NULL)
		fclose(d->keys);
	loop_free(d->loop);
	secret_wipe(d, sizeof(*d));
}
