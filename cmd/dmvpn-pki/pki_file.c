#include "pki_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/priv.h"

struct pki_file {
	char	path[PATH_MAX];
	char	temp[PATH_MAX];		/* "" once it is in place */
	bool	replace;
};

/* ---------------------------------------------------------------- to read */

/* What the command line names can not be read as it stands: that is the fault of
 * who named it, and not a secret that is wanted (EACCES) or a row that is missing
 * (ENOENT). */
static void *
unread(struct err *e)
{
	static const int codes[] = { ENOENT, ENOTDIR, EACCES, EPERM, EISDIR,
	    ENXIO, ELOOP, ENAMETOOLONG, EFBIG };
	size_t i;

	for (i = 0; e != NULL && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (e->code == codes[i])
			e->code = EINVAL;
	return NULL;
}

static int
check_private(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s", path);
	if (S_ISFIFO(st.st_mode))	/* <(...) of a shell */
		return 0;
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s: not a regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(e, EPERM, "%s: belongs to uid %u, not to us or "
		    "root", path, st.st_uid);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(e, EPERM, "%s: mode %04o lets others at it; "
		    "chmod 600", path, st.st_mode & 07777);
	return 0;
}

/* Into a buffer that grows; at most max octets. */
static struct secret *
read_all(int fd, const char *path, size_t max, struct err *e)
{
	struct secret *s = secret_new(4096), *more;
	size_t n = 0;
	ssize_t k;

	while (s != NULL && (k = read(fd, s->b + n, s->len - n - 1)) != 0) {
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 || n + (size_t)k > max) {
			if (k < 0)
				err_sys(e, "read %s", path);
			else
				err_set(e, EFBIG, "%s: over %zu octets", path,
				    max);
			secret_free(s);
			return NULL;
		}
		n += (size_t)k;
		if (s->len - n > 1)
			continue;
		if ((more = secret_new(2 * s->len)) != NULL)
			memcpy(more->b, s->b, n);
		secret_free(s);
		s = more;
	}
	if (s == NULL)
		return err_null(err_set(e, ENOMEM, "%s", path));
	s->b[n] = '\0';
	s->len = n;
	return s;
}

struct secret *
pki_file_read(const char *path, bool secret, size_t max, struct err *e)
{
	struct secret *s = NULL;
	int fd;

	if (strcmp(path, "-") == 0) {
		s = read_all(STDIN_FILENO, "standard input", max, e);
		return s != NULL ? s : unread(e);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | (secret ? O_NOFOLLOW : 0));
	if (fd < 0 && errno == ELOOP)
		err_set(e, ELOOP, "%s: a symbolic link", path);
	else if (fd < 0)
		err_sys(e, "open %s", path);
	else if (!secret || check_private(fd, path, e) == 0)
		s = read_all(fd, path, max, e);
	if (fd >= 0)
		close(fd);
	return s != NULL ? s : unread(e);
}

/* --------------------------------------------------------------- to write */

static int
write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t k;

	while (len > 0) {
		k = write(fd, p, len);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		p += k;
		len -= (size_t)k;
	}
	return 0;
}

int
pki_file_print(const void *data, size_t len, struct err *e)
{
	return write_all(STDOUT_FILENO, data, len) == 0 ? 0 :
	    err_sys(e, "write to standard output");
}

static int
temp_name(struct pki_file *f, const char *path, struct err *e)
{
	unsigned long long r = 0;

	if (random_bytes(&r, sizeof(r), e) < 0)
		return -1;
	if (snprintf(f->path, sizeof(f->path), "%s", path) >=
	    (int)sizeof(f->path) ||
	    snprintf(f->temp, sizeof(f->temp), "%s.%016llx.new", path, r) >=
	    (int)sizeof(f->temp)) {
		f->temp[0] = '\0';	/* cut, it is another file's name */
		return err_set(e, ENAMETOOLONG, "%s", path);
	}
	return 0;
}

static int
fill(struct pki_file *f, mode_t mode, const void *data, size_t len, bool sync,
    struct err *e)
{
	int rc = 0, fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0) {
		f->temp[0] = '\0';
		return err_sys(e, "create a file beside %s", f->path);
	}
	if (write_all(fd, data, len) < 0 || (sync && fsync(fd) < 0))
		rc = err_sys(e, "write %s", f->path);
	if (close(fd) < 0 && rc == 0)
		rc = err_sys(e, "close %s", f->path);
	return rc;
}

static int
already(const char *path, struct err *e)
{
	return err_set(e, EEXIST, "%s: already there; --force replaces it",
	    path);
}

static struct pki_file *
begin(const char *path, mode_t mode, bool replace, const void *data,
    size_t len, bool sync, struct err *e)
{
	struct pki_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_null(err_set(e, ENOMEM, "%s", path));
	f->replace = replace;
	if (!replace && access(path, F_OK) == 0)
		already(path, e);
	else if (temp_name(f, path, e) == 0 &&
	    fill(f, mode, data, len, sync, e) == 0)
		return f;
	pki_file_end(f);
	return NULL;
}

struct pki_file *
pki_file_begin(const char *path, mode_t mode, bool replace, const void *data,
    size_t len, struct err *e)
{
	return begin(path, mode, replace, data, len, true, e);
}

struct pki_file *
pki_file_write_lazily(const char *path, mode_t mode, bool replace,
    const void *data, size_t len, struct err *e)
{
	return begin(path, mode, replace, data, len, false, e);
}

/* The directory of path, opened. */
static int
open_dir(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
pki_file_sync_all(const char *path, struct err *e)
{
	int fd = open_dir(path), rc = 0;

	if (fd < 0 || syncfs(fd) < 0)
		rc = err_sys(e, "file system of %s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
pki_file_settle(const char *path, struct err *e)
{
	int fd = open_dir(path), rc = 0;

	if (fd < 0 || fsync(fd) < 0)
		rc = err_sys(e, "directory of %s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

int
pki_file_place(struct pki_file *f, struct err *e)
{
	int rc = renameat2(AT_FDCWD, f->temp, AT_FDCWD, f->path,
	    f->replace ? 0 : RENAME_NOREPLACE);

	if (rc < 0 && (errno == EINVAL || errno == ENOSYS)) {
		if (!f->replace && access(f->path, F_OK) == 0)
			return already(f->path, e);
		rc = rename(f->temp, f->path);
	}
	if (rc < 0)
		return errno == EEXIST ? already(f->path, e) :
		    err_sys(e, "put %s in place", f->path);
	f->temp[0] = '\0';
	return 0;
}

int
pki_file_commit(struct pki_file *f, struct err *e)
{
	return pki_file_place(f, e) < 0 ? -1 : pki_file_settle(f->path, e);
}

void
pki_file_end(struct pki_file *f)
{
	if (f == NULL)
		return;
	if (f->temp[0] != '\0')
		(void)unlink(f->temp);
	free(f);
}

int
pki_file_write(const char *path, mode_t mode, bool replace, const void *data,
    size_t len, struct err *e)
{
	struct pki_file *f;
	int rc;

	if (strcmp(path, "-") == 0)
		return pki_file_print(data, len, e);
	if ((f = pki_file_begin(path, mode, replace, data, len, e)) == NULL)
		return -1;
	rc = pki_file_commit(f, e);
	pki_file_end(f);
	return rc;
}
