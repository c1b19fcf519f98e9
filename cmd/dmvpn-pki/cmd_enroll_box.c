/* enroll parses what strangers send: with nothing at hand but what it is
 * for.  The interface is in cmd_enroll.h. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd_enroll.h"
#include "crypto/scep.h"
#include "sys/log.h"
#include "sys/priv.h"
#include "sys/serve.h"

#define PATHS_MAX	(OPT_LIST_MAX + 17)
#define CAP_DAC_OVERRIDE 1

struct paths {
	struct sandbox_path	v[PATHS_MAX + 1];
	size_t			n;
	char			out[PATH_MAX], crl[PATH_MAX], alarm[PATH_MAX];
	char			run[108];
};

static void
add(struct paths *p, const char *path, bool write)
{
	if (path != NULL && strcmp(path, "-") != 0 && p->n < PATHS_MAX &&
	    access(path, F_OK) == 0)
		p->v[p->n++] = (struct sandbox_path){ path, write };
}

/* Files come and go beside their places. */
static void
add_folder(struct paths *p, const char *file, char *room)
{
	if (file == NULL)
		return;
	snprintf(room, PATH_MAX, "%s", file);
	add(p, dirname(room), true);
}

int
cmd_enroll_confine(const struct enroll_opts *o, struct err *e)
{
	/* What the resolver, TLS and OpenSSL read. */
	static const char *const common[] = { "/etc", "/usr", "/lib", "/lib64",
	    "/run/systemd/resolve", "/run/resolvconf",
	    "/run/NetworkManager", NULL };
	static struct paths p;
	const struct priv priv = { .keep_caps = UINT64_C(1) <<
	    CAP_DAC_OVERRIDE };
	const struct sandbox_conf box = { .flags = SANDBOX_INET |
	    SANDBOX_UNIX | SANDBOX_FILES, .paths = p.v };
	static bool done;
	size_t i;

	if (done)
		return 0;
	if (o->legacy)
		(void)scep_open_legacy();
	for (i = 0; common[i] != NULL; i++)
		add(&p, common[i], false);
	add_folder(&p, o->out != NULL ? o->out : o->renew != NULL ? o->renew :
	    o->name, p.out);
	add_folder(&p, o->crl, p.crl);
	add_folder(&p, o->alarm, p.alarm);
	add(&p, o->renew, false);
	add(&p, o->key_file, false);
	add(&p, o->key_pass, false);
	for (i = 0; i < o->trust.n; i++)
		add(&p, o->trust.v[i], false);
	if (run_path(p.run, sizeof(p.run), "", NULL) == 0)
		add(&p, p.run, false);
	/* What the kernel lacks is no news to who runs one command. */
	if (!o->watch && o->daemon.level == NULL)
		log_level(LEVEL_ERROR);
	done = true;
	return priv_drop(&priv, e) < 0 ? -1 : sandbox_enter(&box, e);
}
