#include "pod_node/kernel/file.h"

#include "pod_node/kernel/description.h"
#include "pod_node/kernel/dev.h"
#include "pod_node/kernel/listing.h"
#include "pod_node/kernel/pids.h"
#include "pod_node/kernel/spawn.h"

#include "vnet/fabric/errno.h"
#include "vnet/fabric/outside/gateway.h"
#include "vnet/fabric/outside/trunk.h"
#include "vnet/fabric/sockets/stream_loops.h"
#include "vnet/fabric/captures/tap.h"

#define FIRST_SLOTS 16u

struct file *file_create(struct account *account, enum file_kind kind)
{
	struct file *file = memory_allocate(account, sizeof(*file));
	if (!file)
		return NULL;
	file->references = 1;
	file->kind = kind;
	file->account = account_hold(account);
	return file;
}

struct file *file_hold(struct file *file)
{
	atomic_fetch_add(&file->references, 1);
	return file;
}

struct place *place_hold(struct place *place)
{
	atomic_fetch_add(&place->references, 1);
	return place;
}

void place_release(struct account *account, struct place *place)
{
	if (place && atomic_fetch_sub(&place->references, 1) == 1)
		memory_free(account, place, (u32)sizeof(*place) + place->length);
}

/* With its reader goes a writer that nobody has opened. */
static void release_unopened(struct pipe *pipe)
{
	struct file *writer = atomic_exchange(&pipe->writer, NULL);
	if (writer)
		file_release(writer);
}

static void pipe_close(struct pipe *pipe, u32 flag)
{
	if (flag == STREAM_ABANDONED)
		release_unopened(pipe);
	stream_set_flags(&pipe->stream, flag);
	if (atomic_fetch_sub(&pipe->references, 1) != 1)
		return;
	struct account *account = pipe->account;
	terminal_release(pipe->terminal);
	stream_release(&pipe->stream);
	memory_free(account, pipe, sizeof(*pipe));
	account_release(account);
}

static void unwatch(struct file *file)
{
	if (!file->watches)
		return;
	waitq_leave(&file->watches[0]);
	waitq_leave(&file->watches[1]);
	memory_free(file->account, file->watches, 2 * sizeof(struct waiter));
}

/* The engine closes the file itself, in `fd_close` or with its Store. */
static void forget_host_file(struct file *file)
{
	listing_release(file);
	if (file->inode)
		disk_close(file->inode);
	place_release(file->account, file->place);
	description_release(file->shared);
}

void file_release(struct file *file)
{
	if (atomic_fetch_sub(&file->references, 1) != 1)
		return;
	unwatch(file);
	switch (file->kind) {
	case FILE_SOCKET: socket_close(file->socket); break;
	case FILE_PIPE_READER: pipe_close(file->pipe, STREAM_ABANDONED); break;
	case FILE_PIPE_WRITER: pipe_close(file->pipe, STREAM_FINISHED); break;
	case FILE_TEXT:
	case FILE_CONTROL:
	case FILE_PROC_CONTROL:
	case FILE_SPAWN: memory_free(file->account, file->text, sizeof(struct text) + file->text->size); break;
	case FILE_GATEWAY: gateway_close(); break;
	case FILE_TRUNK: trunk_close(); break;
	case FILE_CAPTURE: tap_close(file->capture); break;
	case FILE_EXIT:
	case FILE_SIGNALS: pid_release(file->pid); break;
	case FILE_SPAWNS: spawns_close(); break;
	case FILE_AWAITED: awaited_close(file->awaited); break;
	case FILE_NULL:
	case FILE_HOST: forget_host_file(file); break;
	case FILE_ZERO:
	case FILE_FULL:
	case FILE_RANDOM:
	case FILE_DEV_DIRECTORY:
	case FILE_PROC_DIRECTORY:
	case FILE_NET_DIRECTORY: break;
	}
	struct account *account = file->account;
	memory_free(account, file, sizeof(*file));
	account_release(account);
}

int pipe_open(struct account *account, u32 limit, struct file **reader, struct file **writer)
{
	*reader = file_create(account, FILE_PIPE_READER);
	*writer = file_create(account, FILE_PIPE_WRITER);
	struct pipe *pipe = *reader && *writer ? memory_allocate(account, sizeof(*pipe)) : NULL;
	if (pipe) {
		pipe->references = 2;
		pipe->account = account_hold(account);
		stream_open(&pipe->stream, account, limit);
		(*reader)->pipe = (*writer)->pipe = pipe;
		return 0;
	}
	struct file *files[] = {*reader, *writer};
	for (u32 i = 0; i < COUNT_OF(files); i++) {
		if (files[i]) {
			memory_free(account, files[i], sizeof(*files[i]));
			account_release(account);
		}
	}
	return -E_NOBUFS;
}

/* The end was typed, and all that was typed before has been read. */
static bool is_at_typed_end(const struct pipe *pipe)
{
	return pipe->terminal && atomic_load(&pipe->terminal->ended) && stream_unread(&pipe->stream) == 0;
}

static bool pipe_readable(const void *object)
{
	const struct pipe *pipe = object;
	return stream_readable(&pipe->stream) || is_at_typed_end(pipe);
}

static i32 ends_reading(void *object, u32 flags, u32 done, u32 size)
{
	struct pipe *pipe = object;
	(void)done, (void)size;
	if (is_at_typed_end(pipe) && atomic_exchange(&pipe->terminal->ended, false))
		return 0;
	return flags & STREAM_FINISHED ? 0 : STREAM_GOES_ON;
}

static i32 pipe_read(struct pipe *pipe, uaddr to, u32 size, bool wait)
{
	struct stream_user reader = {&pipe->stream, ends_reading, pipe, NEVER, pipe_readable, pipe};
	return stream_read(reader, to, size, wait, false);
}

static i32 ends_writing(void *object, u32 flags, u32 done, u32 size)
{
	(void)object, (void)size;
	if (!(flags & STREAM_ABANDONED))
		return STREAM_GOES_ON;
	return done ? (i32)done : -E_PIPE;
}

static i32 pipe_write(struct stream *stream, uaddr from, u32 size, bool wait)
{
	struct stream_user writer = {.stream = stream, .ending = ends_writing, .deadline = NEVER};
	return stream_write(writer, from, size, wait);
}

static i32 text_read(struct text *text, uaddr to, u32 size)
{
	u32 moved = MIN(size, text->length - text->offset);
	user_copy_out(to, text->bytes + text->offset, moved);
	text->offset += moved;
	return (i32)moved;
}

/* Texts have no lock. */
int file_inherit(struct descriptors *table, struct file *file, struct file **inherited)
{
	switch (file->kind) {
	case FILE_HOST: return description_inherit(table, file, inherited);
	case FILE_SOCKET:
	case FILE_PIPE_READER:
	case FILE_PIPE_WRITER:
	case FILE_NET_DIRECTORY:
	case FILE_PROC_DIRECTORY:
	case FILE_DEV_DIRECTORY:
	case FILE_ZERO:
	case FILE_FULL:
	case FILE_RANDOM:
	case FILE_NULL:
	case FILE_EXIT: *inherited = file_hold(file); return 0;
	default: return -E_OPNOTSUPP;
	}
}

i32 file_read(struct file *file, uaddr to, u32 size, bool wait, bool peek)
{
	switch (file->kind) {
	case FILE_SOCKET: return socket_read(file->socket, to, size, wait, peek);
	case FILE_PIPE_READER: return pipe_read(file->pipe, to, size, wait);
	case FILE_TEXT:
	case FILE_PROC_CONTROL:
	case FILE_CONTROL: return text_read(file->text, to, size);
	case FILE_CAPTURE: return tap_read(file->capture, to, size);
	case FILE_NULL: return 0;
	case FILE_ZERO:
	case FILE_FULL:
	case FILE_RANDOM: return dev_read(file, to, size);
	case FILE_SPAWN:
	case FILE_EXIT:
	case FILE_SIGNALS: return proc_read(file, to, size, wait);
	case FILE_DEV_DIRECTORY:
	case FILE_PROC_DIRECTORY:
	case FILE_NET_DIRECTORY: return -E_ISDIR;
	default: return -E_BADF;
	}
}

i32 file_write(struct file *file, uaddr from, u32 size, bool wait)
{
	switch (file->kind) {
	case FILE_SOCKET: return socket_write(file->socket, from, size, wait);
	case FILE_PIPE_WRITER: return pipe_write(&file->pipe->stream, from, size, wait);
	case FILE_ZERO:
	case FILE_RANDOM:
	case FILE_NULL: return (i32)size;
	case FILE_FULL: return -E_NOSPC;
	case FILE_SPAWN: return proc_write(file, from, size);
	case FILE_DEV_DIRECTORY:
	case FILE_PROC_DIRECTORY:
	case FILE_NET_DIRECTORY: return -E_ISDIR;
	default: return -E_BADF;
	}
}

u32 file_poll(struct file *file)
{
	switch (file->kind) {
	case FILE_SOCKET: return socket_poll(file->socket);
	case FILE_PIPE_READER:
		return (pipe_readable(file->pipe) ? (u32)POLL_READ : 0) |
		       (stream_flags(&file->pipe->stream) & STREAM_FINISHED ? (u32)POLL_HANGUP : 0);
	case FILE_PIPE_WRITER:
		return (stream_writable(&file->pipe->stream) ? (u32)POLL_WRITE : 0) |
		       (stream_flags(&file->pipe->stream) & STREAM_ABANDONED ? (u32)POLL_HANGUP : 0);
	case FILE_GATEWAY: return gateway_ready() ? POLL_READ : 0;
	case FILE_TRUNK: return trunk_ready() ? POLL_READ : 0;
	case FILE_CAPTURE: return capture_readable(file->capture) ? POLL_READ : 0;
	case FILE_EXIT: return atomic_load(&file->pid->ended) ? (u32)POLL_READ : 0;
	case FILE_SIGNALS: return atomic_load(&file->pid->pending) ? (u32)POLL_READ : 0;
	case FILE_SPAWNS: return spawns_ready() ? POLL_READ : 0;
	case FILE_AWAITED: return awaited_ready(file->awaited) ? POLL_READ : 0;
	default: return POLL_READ | POLL_WRITE;
	}
}

u32 file_available(struct file *file)
{
	switch (file->kind) {
	case FILE_SOCKET: return socket_available(file->socket);
	case FILE_PIPE_READER: return stream_unread(&file->pipe->stream);
	case FILE_TEXT:
	case FILE_PROC_CONTROL:
	case FILE_CONTROL: return file->text->length - file->text->offset;
	default: return 1;
	}
}

static struct waitq *file_queue(struct file *file, u32 event)
{
	switch (file->kind) {
	case FILE_SOCKET: return socket_queue(file->socket, event);
	case FILE_PIPE_READER: return &file->pipe->stream.readers;
	case FILE_PIPE_WRITER: return &file->pipe->stream.writers;
	case FILE_GATEWAY: return gateway_queue();
	case FILE_TRUNK: return trunk_queue();
	case FILE_CAPTURE: return &file->capture->readers;
	case FILE_EXIT:
	case FILE_SIGNALS: return &file->pid->changes;
	case FILE_SPAWNS: return spawns_queue();
	case FILE_AWAITED: return awaited_queue(file->awaited);
	default: return NULL;
	}
}

/* A connect that is decided meanwhile moves a socket's events to other queues, so look twice. */
bool file_join(struct file *file, u32 event, struct waiter *waiter)
{
	struct waitq *queue = file_queue(file, event);
	while (queue) {
		waitq_join(queue, waiter);
		struct waitq *now = file_queue(file, event);
		if (now == queue)
			return true;
		waitq_leave(waiter);
		queue = now;
	}
	return false;
}

void file_idle(struct file *file)
{
	if (file->kind == FILE_SOCKET)
		socket_idle(file->socket);
}

/* Grow the table so that `number` is a slot. */
static int table_reserve(struct descriptors *table, u32 number)
{
	if (number < table->size)
		return 0;
	u32 size = MAX(table->size, FIRST_SLOTS);
	while (size <= number)
		size *= 2;
	struct file **files = memory_allocate(table->account, size * (u32)sizeof(*files));
	if (!files)
		return -E_NOMEM;
	memset(files, 0, size * sizeof(*files));
	if (table->files) {
		memcpy(files, table->files, table->size * sizeof(*files));
		memory_free(table->account, table->files, table->size * (u32)sizeof(*files));
	}
	table->files = files;
	table->size = size;
	return 0;
}

/* Remember where a socket is, so that its id leads back to its descriptor without a search. */
static void table_set(struct descriptors *table, u32 number, struct file *file)
{
	table->files[number] = file;
	atomic_store_explicit(&table->open, table->open + 1, memory_order_relaxed);
	table->host_files += file->kind == FILE_HOST;
	if (file->kind == FILE_SOCKET)
		file->socket->descriptor = number;
}

int descriptor_reserve(struct descriptors *table)
{
	u32 number = table->first;
	while (number < table->size && table->files[number])
		number++;
	if (number >= table->limit)
		return -E_MFILE;
	int result = table_reserve(table, number);
	return result < 0 ? result : (int)number;
}

int descriptor_install(struct descriptors *table, struct file *file)
{
	int number = descriptor_reserve(table);
	if (number < 0)
		return number;
	table_set(table, (u32)number, file);
	table->first = (u32)number + 1;
	return number;
}

int descriptor_place(struct descriptors *table, u32 number, struct file *file)
{
	if (number >= table->limit)
		return -E_BADF;
	int result = table_reserve(table, number);
	if (result < 0)
		return result;
	struct file *replaced = descriptor_remove(table, number);
	if (replaced)
		file_release(replaced);
	table_set(table, number, file);
	return 0;
}

struct file *descriptor_get(const struct descriptors *table, u32 number)
{
	return number < table->size ? table->files[number] : NULL;
}

struct file *descriptor_remove(struct descriptors *table, u32 number)
{
	struct file *file = descriptor_get(table, number);
	if (file) {
		table->files[number] = NULL;
		atomic_store_explicit(&table->open, table->open - 1, memory_order_relaxed);
		table->host_files -= file->kind == FILE_HOST;
		table->first = MIN(table->first, number);
	}
	return file;
}

int descriptor_move(struct descriptors *table, u32 from, u32 to)
{
	if (!descriptor_get(table, from) || !descriptor_get(table, to))
		return -E_BADF; /* fd_renumber wants both open */
	if (from == to)
		return 0;
	file_release(descriptor_remove(table, to));
	table_set(table, to, descriptor_remove(table, from));
	return 0;
}

void descriptors_close(struct descriptors *table)
{
	for (u32 number = 0; number < table->size; number++) {
		struct file *file = descriptor_remove(table, number);
		if (file)
			file_release(file);
	}
	if (table->files)
		memory_free(table->account, table->files, table->size * (u32)sizeof(*table->files));
	table->files = NULL;
	table->size = 0;
}
