/* The node's calls for captures: descriptors of the host's that hand out records of what was seen. */
#include "pod_node/kernel/host.h"
#include "vnet/fabric/errno.h"
#include "vnet/fabric/captures/tap.h"

static struct capture *host_capture(u32 fd)
{
	struct file *file = descriptor_get(&host_process->descriptors, fd);
	return file && file->kind == FILE_CAPTURE ? file->capture : NULL;
}

/* A ring of about `capacity` bytes for packets cut to `snaplen` (0: whole ones). A descriptor or a negative errno. */
EXPORT(host_capture_open) i32 host_capture_open(u32 capacity, u32 snaplen);
i32 host_capture_open(u32 capacity, u32 snaplen)
{
	struct capture *capture = tap_open(capacity, snaplen);
	struct file *file = capture ? file_create(host_process->pod->account, FILE_CAPTURE) : NULL;
	if (!file) {
		if (capture)
			tap_close(capture);
		return -E_NOBUFS;
	}
	file->capture = capture;
	file->nonblocking = true;
	i32 fd = descriptor_install(&host_process->descriptors, file);
	if (fd < 0)
		file_release(file);
	return fd;
}

EXPORT(host_capture_interface) i32 host_capture_interface(u32 fd, u32 ipv4);
i32 host_capture_interface(u32 fd, u32 ipv4)
{
	struct capture *capture = host_capture(fd);
	return capture ? tap_interface(capture, ipv4) : -E_BADF;
}

EXPORT(host_capture_link) i32 host_capture_link(u32 fd, u32 link, u32 directions);
i32 host_capture_link(u32 fd, u32 link, u32 directions)
{
	struct capture *capture = host_capture(fd);
	return capture ? tap_wire(capture, link, directions) : -E_BADF;
}

EXPORT(host_capture_counts) i32 host_capture_counts(u32 fd, uaddr at);
i32 host_capture_counts(u32 fd, uaddr at)
{
	struct capture *capture = host_capture(fd);
	if (!capture)
		return -E_BADF;
	*(struct capture_counts *)(uintptr_t)at = tap_counts(capture);
	return 0;
}
