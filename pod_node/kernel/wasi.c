#include "pod_node/kernel/wasi.h"

#include "pod_node/kernel/datagrams.h"

static const u8 errno_table[] = {
	[E_PERM] = WASI_PERM,
	[E_NOENT] = WASI_NOENT,
	[E_SRCH] = WASI_SRCH,
	[E_INTR] = WASI_INTR,
	[E_IO] = WASI_IO,
	[E_2BIG] = WASI_2BIG,
	[E_BADF] = WASI_BADF,
	[E_CHILD] = WASI_CHILD,
	[E_AGAIN] = WASI_AGAIN,
	[E_NOMEM] = WASI_NOMEM,
	[E_ACCES] = WASI_ACCES,
	[E_FAULT] = WASI_FAULT,
	[E_EXIST] = WASI_EXIST,
	[E_NOTDIR] = WASI_NOTDIR,
	[E_ISDIR] = WASI_ISDIR,
	[E_INVAL] = WASI_INVAL,
	[E_MFILE] = WASI_MFILE,
	[E_NOTTY] = WASI_NOTTY,
	[E_NOSPC] = WASI_NOSPC,
	[E_SPIPE] = WASI_SPIPE,
	[E_ROFS] = WASI_ROFS,
	[E_PIPE] = WASI_PIPE,
	[E_DOM] = WASI_DOM,
	[E_RANGE] = WASI_RANGE,
	[E_NAMETOOLONG] = WASI_NAMETOOLONG,
	[E_NOSYS] = WASI_NOSYS,
	[E_NOTSOCK] = WASI_NOTSOCK,
	[E_DESTADDRREQ] = WASI_DESTADDRREQ,
	[E_MSGSIZE] = WASI_MSGSIZE,
	[E_PROTOTYPE] = WASI_PROTOTYPE,
	[E_NOPROTOOPT] = WASI_NOPROTOOPT,
	[E_PROTONOSUPPORT] = WASI_PROTONOSUPPORT,
	[E_OPNOTSUPP] = WASI_NOTSUP,
	[E_AFNOSUPPORT] = WASI_AFNOSUPPORT,
	[E_ADDRINUSE] = WASI_ADDRINUSE,
	[E_ADDRNOTAVAIL] = WASI_ADDRNOTAVAIL,
	[E_NETUNREACH] = WASI_NETUNREACH,
	[E_CONNABORTED] = WASI_CONNABORTED,
	[E_CONNRESET] = WASI_CONNRESET,
	[E_NOBUFS] = WASI_NOBUFS,
	[E_ISCONN] = WASI_ISCONN,
	[E_NOTCONN] = WASI_NOTCONN,
	[E_TIMEDOUT] = WASI_TIMEDOUT,
	[E_CONNREFUSED] = WASI_CONNREFUSED,
	[E_HOSTUNREACH] = WASI_HOSTUNREACH,
	[E_ALREADY] = WASI_ALREADY,
	[E_INPROGRESS] = WASI_INPROGRESS,
	[E_STALE] = WASI_STALE,
	[E_DQUOT] = WASI_DQUOT,
};

u32 wasi_errno(u32 error)
{
	return error < COUNT_OF(errno_table) && errno_table[error] ? errno_table[error] : WASI_IO;
}

u32 wasi_put_dirent(uaddr to, u32 length, const struct wasi_dirent *head, const char *name)
{
	u32 first = MIN(length, (u32)sizeof(*head)), rest = MIN(length - first, head->name_length);
	user_copy_out(to, head, first);
	user_copy_out(to + first, name, rest);
	return first + rest;
}

bool guest_store(uaddr to, const void *value, u32 size)
{
	if (!user_range_ok(to, size))
		return false;
	user_copy_out(to, value, size);
	return true;
}

bool guest_load(void *value, uaddr from, u32 size)
{
	if (!user_range_ok(from, size))
		return false;
	user_copy_in(value, from, size);
	return true;
}

int wasi_read_iovs(uaddr iovs, u32 count, struct wasi_iovec list[WASI_IOVS_MOST])
{
	if (!user_range_ok(iovs, (u64)count * sizeof(list[0])))
		return -E_FAULT;
	count = MIN(count, WASI_IOVS_MOST);
	user_copy_in(list, iovs, count * (u32)sizeof(list[0]));
	u64 total = 0;
	for (u32 i = 0; i < count; i++) {
		if (!user_range_ok(list[i].buffer, list[i].length))
			return -E_FAULT;
		total += list[i].length;
	}
	return total > INT32_MAX ? -E_INVAL : (int)count;
}

u32 wasi_install(struct file *file, uaddr number)
{
	if (!user_range_ok(number, sizeof(u32))) {
		file_release(file);
		return WASI_FAULT;
	}
	int descriptor = descriptor_install(&current_process()->descriptors, file);
	if (descriptor < 0) {
		file_release(file);
		return wasi_result(descriptor);
	}
	guest_store_u32(number, (u32)descriptor);
	return WASI_SUCCESS;
}

int wasi_accept(struct process *process, struct socket *listener, bool wait, struct file **accepted)
{
	struct socket *socket;
	int result = descriptor_reserve(&process->descriptors);
	if (result < 0)
		return result;
	struct file *file = file_create(process->pod->account, FILE_NET_DIRECTORY); /* stands for nothing yet */
	if (!file)
		return -E_NOBUFS;
	result = socket_accept(listener, wait, &socket);
	if (result < 0) {
		file_release(file);
		return result;
	}
	file->kind = FILE_SOCKET;
	file->socket = socket;
	*accepted = file;
	return 0;
}

/* The outcome of a call whose last part ended with `result`. */
static i32 transferred(struct file *file, u32 done, i32 result)
{
	if (!done)
		return result;
	if (result < 0 && file->kind == FILE_SOCKET)
		tcp_defer_error(file->socket, (u32)-result);
	return (i32)done;
}

/* `fill` is MSG_WAITALL: go on until every buffer is full or the stream ends. */
i32 wasi_transfer_in(struct file *file, uaddr iovs, u32 count, bool wait, bool peek, bool fill)
{
	struct udp_received received;
	if (file_is_datagram_socket(file))
		return wasi_datagram_in(file->socket, iovs, count, wait, peek, file->socket->headers, &received);
	struct wasi_iovec list[WASI_IOVS_MOST];
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return buffers;
	u32 done = 0;
	for (int i = 0; i < buffers; i++) {
		u32 at = 0;
		while (at < list[i].length) {
			i32 moved = file_read(file, list[i].buffer + at, list[i].length - at, wait && (!done || fill),
					      peek);
			if (moved <= 0)
				return transferred(file, done, moved);
			done += (u32)moved;
			at += (u32)moved;
			if (peek || (!fill && at < list[i].length))
				return (i32)done;
		}
	}
	return (i32)done;
}

i32 wasi_transfer_out(struct file *file, uaddr iovs, u32 count, bool wait)
{
	if (file_is_datagram_socket(file))
		return wasi_datagram_out(file->socket, iovs, count, file->socket->headers, NULL);
	struct wasi_iovec list[WASI_IOVS_MOST];
	int buffers = wasi_read_iovs(iovs, count, list);
	if (buffers < 0)
		return buffers;
	u32 done = 0;
	for (int i = 0; i < buffers; i++) {
		if (list[i].length == 0)
			continue;
		i32 moved = file_write(file, list[i].buffer, list[i].length, wait);
		if (moved < 0)
			return transferred(file, done, moved);
		done += (u32)moved;
		if ((u32)moved < list[i].length)
			break;
	}
	return (i32)done;
}
