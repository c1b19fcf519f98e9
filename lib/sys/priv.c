#include "sys/priv.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/log.h"

#define CAP_BITS 64
#ifdef DMVPN_SANITIZED
#define SANITIZED true		/* the search for leaks traces itself */
#else
#define SANITIZED false
#endif

static int
caps_get(uint64_t *effective, uint64_t *permitted)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &h, d) < 0)
		return -1;
	*effective = (uint64_t)d[1].effective << 32 | d[0].effective;
	*permitted = (uint64_t)d[1].permitted << 32 | d[0].permitted;
	return 0;
}

static int
caps_set(uint64_t mask)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };

	d[0].effective = d[0].permitted = (uint32_t)mask;
	d[1].effective = d[1].permitted = (uint32_t)(mask >> 32);
	return (int)syscall(SYS_capset, &h, d);
}

bool
priv_has(int cap)
{
	uint64_t effective, permitted;

	return caps_get(&effective, &permitted) == 0 &&
	    (effective >> cap & 1);
}

/* Ids of the user, groups too; capabilities survive in the permitted set. */
static int
ids_drop(const char *user, struct err *e)
{
	const struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(user)) == NULL)
		return errno != 0 ? err_sys(e, "user %s", user) :
		    err_set(e, EINVAL, "no user \"%s\"", user);
	if (geteuid() == pw->pw_uid && getegid() == pw->pw_gid)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, "keep capabilities");
	if (setgroups(0, NULL) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_sys(e, "become user %s", user);
	return 0;
}

/* The bounding set needs CAP_SETPCAP; without it there is nothing to take,
 * since no_new_privs keeps execve from giving any. */
static void
bounding_drop(uint64_t keep)
{
	int cap;

	for (cap = 0; cap < CAP_BITS; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue;
		if (!(keep >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int
priv_drop(const struct priv *p, struct err *e)
{
	struct rlimit none = { 0, 0 };
	uint64_t effective, permitted;

	if (p->user != NULL && ids_drop(p->user, e) < 0)
		return -1;
	if (caps_get(&effective, &permitted) < 0)
		return err_sys(e, "capget");
	bounding_drop(p->keep_caps);
	if (caps_set(permitted & p->keep_caps) < 0)
		return err_sys(e, "capset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	if (p->dumpable || SANITIZED)
		return 0;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "dumpable");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_sys(e, "core limit");
	return 0;
}
