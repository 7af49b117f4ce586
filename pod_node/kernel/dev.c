/* `/dev`: null, zero, full, random and urandom, as Linux has them, and stdin, stdout and stderr, another descriptor for what
 * the process has as 0, 1 and 2. */
#include "pod_node/kernel/dev.h"

#include "pod_node/kernel/native.h"
#include "pod_node/kernel/proc.h"
#include "pod_node/kernel/wasi.h"

#include "vnet/fabric/text.h"

#define READ_MOST (1u << 20) /* bytes of one call, so that a kill does not wait for more */

static const struct device {
	const char *name;
	enum file_kind kind;
	const char *same_as; /* in /proc, instead of a kind */
} devices[] = {
	{"null", FILE_NULL, NULL},     {"zero", FILE_ZERO, NULL},      {"full", FILE_FULL, NULL},
	{"random", FILE_RANDOM, NULL}, {"urandom", FILE_RANDOM, NULL}, {"stdin", 0, "fd/0"},
	{"stdout", 0, "fd/1"},         {"stderr", 0, "fd/2"},
};

/* Without the slashes and dots around a single name. */
static const char *trimmed(const char *path)
{
	while (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == 0)))
		path++;
	return path;
}

static const struct device *find(const char *name)
{
	for (u32 i = 0; i < COUNT_OF(devices); i++)
		if (text_equal(devices[i].name, name))
			return &devices[i];
	return NULL;
}

int dev_open(struct process *process, const char *path, bool nonblocking, struct file **opened)
{
	const char *name = trimmed(path);
	const struct device *device = find(name);
	if (name[0] && !device)
		return -E_NOENT;
	if (device && device->same_as)
		return proc_open(process, device->same_as, nonblocking, opened);
	*opened = file_create(process->pod->account, device ? device->kind : FILE_DEV_DIRECTORY);
	return *opened ? 0 : -E_NOMEM;
}

enum wasi_filetype dev_filetype(const char *path)
{
	const char *name = trimmed(path);
	if (!name[0])
		return WASI_FILETYPE_DIRECTORY;
	return find(name) ? WASI_FILETYPE_CHARACTER_DEVICE : WASI_FILETYPE_UNKNOWN;
}

static i32 read_zeros(uaddr to, u32 size)
{
	static const u8 zeros[1024];
	for (u32 done = 0; done < size; done += sizeof(zeros))
		user_copy_out(to + done, zeros, MIN(size - done, (u32)sizeof(zeros)));
	return (i32)size;
}

i32 dev_read(const struct file *file, uaddr to, u32 size)
{
	size = MIN(size, READ_MOST);
	if (file->kind != FILE_RANDOM)
		return read_zeros(to, size);
	return native_random_get(to, size) == WASI_SUCCESS ? (i32)size : -E_IO;
}

u32 dev_list(uaddr buffer, u32 length, u64 cookie, uaddr used)
{
	u32 done = 0;
	if (!user_range_ok(buffer, length))
		return WASI_FAULT;
	for (u64 number = cookie; number < COUNT_OF(devices) && done < length; number++) {
		const char *name = devices[number].name;
		struct wasi_dirent head;
		memset(&head, 0, sizeof(head));
		head.next = number + 1;
		head.name_length = text_length(name);
		head.filetype = WASI_FILETYPE_CHARACTER_DEVICE;
		done += wasi_put_dirent(buffer + done, length - done, &head, name);
	}
	return guest_store_u32(used, done) ? WASI_SUCCESS : WASI_FAULT;
}
