#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/text.h"
#include "cmd.h"
#include "cmd_list.h"
#include "crypto/prf.h"
#include "sys/ask.h"
#include "sys/command.h"

#define KEYS_MAX	512	/* octets of a file of keys */
#define KEY_MAX		64
#define PRF_HMAC_SHA256	5

/*
 * Keys by hand, for tests.  They come from a file that nobody else can read
 * or from standard input, never from argv: two lines, "in HEX" and "out HEX",
 * KEYMAT order (encryption key, salt, integrity key).
 */
struct keys {
	char	text[KEYS_MAX + 1];
	uint8_t	in[KEY_MAX], out[KEY_MAX];
	size_t	n_in, n_out;
};

static int
keys_open(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	fd = strcmp(path, "-") == 0 ? STDIN_FILENO :
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) ||
	    (st.st_mode & 077) == 0))
		return fd;
	if (fd != STDIN_FILENO)
		close(fd);
	return err_set(e, EACCES, "%s can be read by others: chmod 600 it",
	    path);
}

static int
keys_read(struct keys *k, const char *path, struct err *e)
{
	size_t len = 0;
	ssize_t n;
	int fd;

	if ((fd = keys_open(path, e)) < 0)
		return -1;
	while (len < KEYS_MAX &&
	    (n = read(fd, k->text + len, KEYS_MAX - len)) > 0)
		len += (size_t)n;
	if (fd != STDIN_FILENO)
		close(fd);
	return len == KEYS_MAX ? err_set(e, E2BIG, "%s: too long", path) : 0;
}

static int
key_line(const char *line, const char *word, uint8_t *to, size_t *len,
    struct err *e)
{
	struct wbuf w = wbuf_of(to, KEY_MAX);
	size_t n = strlen(word);

	if (strncmp(line, word, n) != 0 || line[n] != ' ')
		return 0;
	if (text_unhex(line + n + 1, &w, e) < 0 || !wbuf_ok(&w))
		return err_set(e, EINVAL, "the key \"%s\" is no hexadecimal "
		    "number of up to %d octets", word, KEY_MAX);
	*len = w.len;
	return 1;
}

static int
keys_parse(struct keys *k, struct err *e)
{
	char *line, *rest = k->text;
	int rc;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0')
			continue;
		rc = key_line(line, "in", k->in, &k->n_in, e);
		if (rc == 0)
			rc = key_line(line, "out", k->out, &k->n_out, e);
		if (rc == 0)
			return err_set(e, EINVAL, "keys: a line is \"in "
			    "HEX\" or \"out HEX\"");
		if (rc < 0)
			return -1;
	}
	if (k->n_in == 0 || k->n_out == 0)
		return err_set(e, EINVAL, "keys: two lines, \"in HEX\" and "
		    "\"out HEX\"");
	return 0;
}

/* The same sending key has the same install id, so it is taken once only:
 * a repeated nonce would give it away. */
static int
install_id(const struct keys *k, uint8_t id[PRF_MAX], struct err *e)
{
	static const char label[] = "dmvpn-gre static keys";
	const struct rbuf part = rbuf_of(k->out, k->n_out);

	return prf_make(PRF_HMAC_SHA256, rbuf_of(label, sizeof(label)), &part,
	    1, id, e);
}

struct sa_opts {
	const char	*mode, *cipher, *interface, *spi_in, *spi_out;
	const char	*keys_file, *owner, *replaces;
	uint64_t	 window, queue;
	bool		 esn, standby;
	struct opt_list	 local_ts, remote_ts;
};

static int
fill_ts(const struct opt_list *list, struct selector *to, size_t *n)
{
	struct prefix p;
	size_t i;
	uint8_t bit;

	for (i = 0; i < list->n && i < 16; i++) {
		if (cmd_prefix(list->v[i], "selector", &p) < 0)
			return -1;
		to[i] = (struct selector){ .first = p.addr, .last = p.addr };
		for (bit = p.len; bit < p.addr.len * 8; bit++)
			to[i].last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	*n = i;
	return 0;
}

static int
fill_names(struct gre_sa_add *m, const struct sa_opts *o)
{
	uint32_t mode = SA_MODE_TRANSPORT, cipher = ESP_CIPHER_AES128_GCM;

	if (o->spi_in == NULL || o->spi_out == NULL) {
		(void)command_usage("--spi-in and --spi-out are needed");
		return -1;
	}
	if (cmd_spi(o->spi_in, "--spi-in", &m->spi_in) < 0 ||
	    cmd_spi(o->spi_out, "--spi-out", &m->spi_out) < 0 ||
	    (o->replaces != NULL &&
	    cmd_spi(o->replaces, "--replaces", &m->replaces) < 0) ||
	    (o->mode != NULL && cmd_name(sa_mode_names, o->mode, "--mode",
	    &mode) < 0) || (o->cipher != NULL && cmd_name(esp_cipher_names,
	    o->cipher, "--cipher", &cipher) < 0))
		return -1;
	m->mode = (enum sa_mode)mode;
	m->cipher = (enum esp_cipher)cipher;
	return cmd_text(m->owner, sizeof(m->owner), o->owner, "owner") < 0 ||
	    (o->interface != NULL && cmd_text(m->interface,
	    sizeof(m->interface), o->interface, "--interface") < 0) ? -1 : 0;
}

static int
fill(struct gre_sa_add *m, const struct sa_opts *o, const char *number)
{
	uint64_t peer;

	memset(m, 0, sizeof(*m));
	if (fill_names(m, o) < 0 ||
	    cmd_number(number, 1, 65533, "peer", &peer) < 0 ||
	    fill_ts(&o->local_ts, m->local_ts, &m->n_local_ts) < 0 ||
	    fill_ts(&o->remote_ts, m->remote_ts, &m->n_remote_ts) < 0)
		return -1;
	m->peer = (uint16_t)peer;
	m->esn = o->esn;
	m->standby = o->standby;
	m->window = (uint16_t)o->window;
	m->queue = (uint8_t)o->queue;
	return 0;
}

static int
send_keys(struct gre_sa_add *m, const char *path)
{
	struct keys k = { .text = "" };
	uint8_t id[PRF_MAX];
	int status = EXIT_USAGE;
	struct err e;

	if (keys_read(&k, path, &e) < 0 || keys_parse(&k, &e) < 0) {
		(void)command_fail(status, &e);
	} else if (install_id(&k, id, &e) < 0) {
		status = command_fail(EXIT_SYSTEM, &e);
	} else {
		m->install = rbuf_of(id, 16);
		m->key_in = rbuf_of(k.in, k.n_in);
		m->key_out = rbuf_of(k.out, k.n_out);
		status = command_call(GRE_SOCK, &gre_sa_add_type, m, NULL,
		    NULL);
	}
	secret_wipe(&k, sizeof(k));
	return status;
}

static int
add(int argc, char **argv)
{
	struct sa_opts o = { .keys_file = "-", .owner = GRE_OWNER };
	const struct opt opts[] = {
		{ 0, "spi-in", "SPI", "of what comes in", OPT_TEXT, &o.spi_in,
		    0, 0 },
		{ 0, "spi-out", "SPI", "of what goes out", OPT_TEXT,
		    &o.spi_out, 0, 0 },
		{ 'c', "cipher", "NAME", "aes128-gcm (default), aes256-gcm, "
		    "chacha20-poly1305, aes128-cbc-sha256, "
		    "aes256-cbc-sha256", OPT_TEXT, &o.cipher, 0, 0 },
		{ 0, "mode", "MODE", "transport (default) or tunnel",
		    OPT_TEXT, &o.mode, 0, 0 },
		{ 'i', "interface", "NAME", "tunnel mode: where packets come "
		    "out", OPT_TEXT, &o.interface, 0, 0 },
		{ 'k', "keys-file", "FILE", "\"in HEX\" and \"out HEX\"; "
		    "default: standard input", OPT_TEXT, &o.keys_file, 0, 0 },
		{ 0, "esn", NULL, "extended sequence numbers", OPT_FLAG,
		    &o.esn, 0, 0 },
		{ 0, "window", "PACKETS", "anti-replay, 0: 1,024", OPT_NUM,
		    &o.window, 0, 4096 },
		{ 0, "queue", "N", "RFC 9611: only for the N-th sender, "
		    "0: for all", OPT_NUM, &o.queue, 0, 64 },
		{ 0, "standby", NULL, "send with it when it is used",
		    OPT_FLAG, &o.standby, 0, 0 },
		{ 0, "replaces", "SPI", "inbound SPI of the pair that it "
		    "rekeys", OPT_TEXT, &o.replaces, 0, 0 },
		{ 0, "local-ts", "PREFIX", "tunnel mode: our side; may be "
		    "repeated", OPT_LIST, &o.local_ts, 0, 0 },
		{ 0, "remote-ts", "PREFIX", "tunnel mode: their side",
		    OPT_LIST, &o.remote_ts, 0, 0 },
		CMD_OWNER_OPT(o.owner),
		OPT_END
	};
	struct gre_sa_add m;
	int status;

	if (opt_parse(&argc, &argv, opts, "PEER", 1, 1, &status) < 0)
		return status;
	if (fill(&m, &o, argv[0]) < 0)
		return EXIT_USAGE;
	return send_keys(&m, o.keys_file);
}

static int
use(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	struct gre_sa_use m;
	int status;

	if (opt_parse(&argc, &argv, opts, "SPI-IN", 1, 1, &status) < 0)
		return status;
	if (cmd_spi(argv[0], "SPI", &m.spi_in) < 0)
		return EXIT_USAGE;
	return command_call(GRE_SOCK, &gre_sa_use_type, &m, NULL, NULL);
}

static int
delete(int argc, char **argv)
{
	uint64_t grace = 0;
	const struct opt opts[] = {
		{ 'g', "grace", "MS", "that inbound packets still count",
		    OPT_NUM, &grace, 0, 60000 },
		OPT_END
	};
	struct gre_sa_delete m;
	int status = EXIT_OK, i;

	if (opt_parse(&argc, &argv, opts, "SPI-IN...", 1, 64, &status) < 0)
		return status;
	for (i = 0; status == EXIT_OK && i < argc; i++) {
		if (cmd_spi(argv[i], "SPI", &m.spi_in) < 0)
			return EXIT_USAGE;
		m.grace = (uint16_t)grace;
		status = command_call(GRE_SOCK, &gre_sa_delete_type, &m,
		    NULL, NULL);
	}
	return status;
}

static int
list(int argc, char **argv)
{
	return list_main(&list_sas, argc, argv);
}

static const struct command commands[] = {
	{ "add", add, "PEER --spi-in SPI --spi-out SPI [--keys-file FILE]",
	    "install a pair with static keys (for tests)" },
	{ "use", use, "SPI-IN", "send with this pair from now on" },
	{ "delete", delete, "[--grace MS] SPI-IN...", "remove pairs" },
	{ "list", list, "[-j]", "list them, without keys" },
	{ NULL, NULL, NULL, NULL }
};

int
cmd_sa(int argc, char **argv)
{
	return command_group(argc, argv, commands);
}
