#include "sys/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/serve.h"

#define BACKLOG 64

int
run_path(char *path, size_t len, const char *name, struct err *e)
{
	const char *dir = getenv("DMVPN_RUN");
	int n;

	if (dir == NULL || dir[0] == '\0')
		dir = "/run/dmvpn";
	if (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/')
		n = snprintf(path, len, "%s%s", dir, name);
	else
		n = snprintf(path, len, "%s/%s", dir, name);
	if (n < 0 || (size_t)n >= len)
		return err_set(e, ENAMETOOLONG, "%s/%s is too long", dir,
		    name);
	return 0;
}

int
run_dir_make(struct err *e)
{
	char path[108];

	if (run_path(path, sizeof(path), "", e) < 0)
		return -1;
	path[strlen(path) - 1] = '\0';		/* the slash */
	if (mkdir(path, 0711) < 0)
		return errno == EEXIST ? 0 : err_sys(e, "make directory %s",
		    path);
	if (chmod(path, 0711) < 0)		/* whatever the umask */
		return err_sys(e, "mode of %s", path);
	return 0;
}

/* Who may write the directory can put another socket there. */
static int
check_dir(const char *path, struct err *e)
{
	char dir[108];
	char *slash;
	struct stat st;

	if (text_copy(dir, sizeof(dir), path, e) < 0)
		return -1;
	if ((slash = strrchr(dir, '/')) == NULL)
		strncpy(dir, ".", sizeof(dir));
	else
		slash[slash == dir] = '\0';
	if (stat(dir, &st) < 0)
		return err_sys(e, "directory %s", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "%s is no directory", dir);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return err_set(e, EPERM, "directory %s may be written by "
		    "everybody (mode %04o); 0711 is right", dir,
		    (unsigned)st.st_mode & 07777);
	return 0;
}

/* Locked by whoever serves; the file may have gone between open and lock. */
static int
lock_take(const char *path, struct err *e)
{
	char name[128];
	struct stat a, b;
	int fd;

	snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			err_set(e, EADDRINUSE, "another daemon serves %s",
			    path);
		else
			err_sys(e, "lock %s", name);
		close(fd);
		return -1;
	}
	if (fstat(fd, &a) < 0 || stat(name, &b) < 0 || a.st_ino != b.st_ino) {
		close(fd);
		return err_set(e, EAGAIN, "%s changed while it was locked",
		    name);
	}
	return fd;
}

void
socket_unlock(const char *path, int lock)
{
	char name[128];

	if (lock < 0)
		return;
	snprintf(name, sizeof(name), "%s.lock", path);
	(void)unlink(name);
	close(lock);
}

static int
address_of(const char *path, struct sockaddr_un *un, struct err *e)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (text_copy(un->sun_path, sizeof(un->sun_path), path, e) < 0)
		return err_in(e, "socket path %s", path);
	return 0;
}

/* Nobody answers there: remove what a dead daemon left. */
static int
remove_stale(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, EEXIST, "%s exists and is no socket", path);
	fd = socket_connect(path, true, NULL);
	if (fd >= 0) {
		close(fd);
		return err_set(e, EADDRINUSE, "another daemon serves %s",
		    path);
	}
	if (unlink(path) < 0)
		return err_sys(e, "remove stale socket %s", path);
	return 0;
}

static int
bind_listen(int fd, const char *path, gid_t group, struct err *e)
{
	struct sockaddr_un un;
	mode_t old;
	int rc;

	if (address_of(path, &un, e) < 0)
		return -1;
	old = umask(0117);
	rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(old);
	if (rc < 0)
		return err_sys(e, "bind %s", path);
	if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0)
		return err_sys(e, "group of %s", path);
	if (listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen on %s", path);
	return 0;
}

int
socket_listen(const char *path, gid_t group, int *lock, struct err *e)
{
	int fd = -1;

	if (check_dir(path, e) < 0 || (*lock = lock_take(path, e)) < 0)
		return -1;
	if (remove_stale(path, e) < 0)
		goto fail;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (fd < 0)
		err_sys(e, "socket");
	else if (bind_listen(fd, path, group, e) == 0)
		return fd;
fail:
	if (fd >= 0)
		close(fd);
	socket_unlock(path, *lock);
	*lock = -1;
	return -1;
}

int
socket_accept(int fd)
{
	return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int
socket_spare(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int
socket_connect(const char *path, bool nonblocking, struct err *e)
{
	struct sockaddr_un un;
	int fd, flags = SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);

	if (address_of(path, &un, e) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | flags, 0);
	if (fd < 0)
		return err_sys(e, "socket");
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		err_sys(e, "connect to %s", path);
		close(fd);
		return -1;
	}
	return fd;
}
