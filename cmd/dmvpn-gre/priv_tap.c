#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "path.h"
#include "priv_half.h"

#define VNET_HEADER 10		/* struct virtio_net_hdr */

int
priv_tap_probe(struct err *e)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return err_set(e, errno, "/dev/net/tun is missing: load the "
		    "tun module on the host, or give the container the "
		    "device");
	if (errno == EACCES || errno == EPERM)
		return err_set(e, errno, "/dev/net/tun may not be opened: "
		    "allow the container the device c 10:200");
	return err_sys(e, "open /dev/net/tun");
}

static int
tun_attach(int fd, const char *name, struct err *e)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	if (text_copy(r.ifr_name, sizeof(r.ifr_name), name, e) < 0)
		return -1;
	r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &r) == 0)
		return 0;
	if (errno == EPERM)
		return err_set(e, EPERM, "interface %s needs CAP_NET_ADMIN",
		    name);
	if (errno == EINVAL)
		return err_set(e, EEXIST, "interface %s exists and is of "
		    "another kind", name);
	return err_sys(e, "make interface %s", name);
}

static int
queue_open(const char *name, uid_t owner, uint32_t *offload, struct err *e)
{
	int header = VNET_HEADER, fd;

	if ((fd = priv_tap_probe(e)) < 0)
		return -1;
	if (tun_attach(fd, name, e) < 0)
		goto fail;
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) {
		err_sys(e, "interface %s: vnet header", name);
		goto fail;
	}
	if (ioctl(fd, TUNSETPERSIST, 1UL) < 0) {
		err_sys(e, "interface %s: persistence", name);
		goto fail;
	}
	if (owner != (uid_t)-1 &&
	    ioctl(fd, TUNSETOWNER, (unsigned long)owner) < 0) {
		err_sys(e, "interface %s: owner", name);
		goto fail;
	}
	*offload = path_tap_offload(fd);
	return fd;
fail:
	close(fd);
	return -1;
}

int
priv_tap_open(const char *name, uid_t owner, int *fds, size_t n,
    uint32_t *offload, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((fds[i] = queue_open(name, owner, offload, e)) < 0) {
			while (i > 0)
				close(fds[--i]);
			return -1;
		}
	return 0;
}
