/* `/proc`: processes as files.
 *
 *   ctl       one command a write, the reply is read: kill, wait, catch, tty, asked, inherited
 *   spawn     a request is written (spawn.h); reading does it and gives the child's number
 *   pipe      a pipe's reading end; pipe/FD the writing end of the one whose reading end is FD
 *   fd/FD     another descriptor for the same open file
 *   take/FD   the same, and FD is closed
 *   null      takes everything and gives nothing, as /dev/null
 *   signals   readable when caught signals have come; reading takes them, a number a line
 *   tty       its terminal: rows, columns, whether it echoes, edits lines, and makes signals of keys
 *   layers    the image's layers below the root: a path a line, and whether anything lies over it: `changed` or `unchanged`
 *   self, PID {status, exit}   who it is; readable when it has ended, with its status
 */
#include "pod_node/kernel/proc.h"

#include "pod_node/kernel/net.h"
#include "pod_node/kernel/spawn.h"

#define PIPE_LIMIT (64u << 10) /* a pipe's size on Linux */
#define FIRST_REQUEST 1024u

static i32 read_text(const struct writer *writer, const char *start, uaddr to, u32 size)
{
	u32 length = MIN((u32)(writer->at - start), size);
	user_copy_out(to, start, length);
	return (i32)length;
}

static i32 read_exit(struct pid *pid, uaddr to, u32 size, bool wait);
static i32 read_signals(struct pid *pid, uaddr to, u32 size, bool wait);

static bool has_ended(const void *object)
{
	return atomic_load(&((const struct pid *)object)->ended);
}

static bool has_pending(const void *object)
{
	return atomic_load(&((const struct pid *)object)->pending);
}

/* 0 when it holds. */
static int await(struct pid *pid, condition holds, bool wait)
{
	if (holds(pid))
		return 0;
	return wait ? waitq_block(&pid->changes, holds, holds, pid, NEVER) : -E_AGAIN;
}

static i32 read_exit(struct pid *pid, uaddr to, u32 size, bool wait)
{
	char text[16];
	struct writer writer = {text, text + sizeof(text)};
	int result = await(pid, has_ended, wait);
	if (result < 0)
		return result;
	write_number(&writer, pid->status);
	write_text(&writer, "\n");
	return read_text(&writer, text, to, size);
}

static i32 read_signals(struct pid *pid, uaddr to, u32 size, bool wait)
{
	char text[128]; /* 32 numbers of two digits */
	struct writer writer = {text, text + sizeof(text)};
	if (size < sizeof(text))
		return -E_INVAL; /* what was taken could not be told */
	int result = await(pid, has_pending, wait);
	if (result < 0 && !has_pending(pid)) /* a signal that ends the wait is what was waited for */
		return result;
	u32 taken = pid_take_signals(pid);
	for (u32 number = 1; number <= SIGNAL_LAST; number++) {
		if (taken & SIGNAL_BIT(number)) {
			write_number(&writer, number);
			write_text(&writer, "\n");
		}
	}
	return read_text(&writer, text, to, size);
}

/* The file goes on with an empty request. */
static i32 read_spawn(struct file *file, uaddr to, u32 size)
{
	char text[16];
	struct writer writer = {text, text + sizeof(text)};
	struct process *process = current_process();
	struct text *request = file->text;
	if (!request->length)
		return 0;
	u8 *copy = memory_allocate(process->pod->account, request->length);
	if (!copy)
		return -E_NOMEM;
	memcpy(copy, request->bytes, request->length);
	u32 length = request->length;
	request->length = 0;
	i32 child = spawn(process, copy, length);
	if (child < 0)
		return child;
	write_number(&writer, child);
	write_text(&writer, "\n");
	return read_text(&writer, text, to, size);
}

i32 proc_read(struct file *file, uaddr to, u32 size, bool wait)
{
	switch (file->kind) {
	case FILE_SPAWN: return read_spawn(file, to, size);
	case FILE_EXIT: return read_exit(file->pid, to, size, wait);
	case FILE_SIGNALS: return read_signals(file->pid, to, size, wait);
	default: return -E_BADF;
	}
}

/* Make room for `length` bytes in the request. */
static int grow_request(struct file *file, u32 length)
{
	struct text *text = file->text;
	u32 size = text->size;
	while (size < length)
		size *= 2;
	if (size == text->size)
		return 0;
	struct text *larger = memory_allocate(file->account, sizeof(*larger) + size);
	if (!larger)
		return -E_NOMEM;
	*larger = (struct text){.size = size, .length = text->length};
	memcpy(larger->bytes, text->bytes, text->length);
	memory_free(file->account, text, sizeof(*text) + text->size);
	file->text = larger;
	return 0;
}

i32 proc_write(struct file *file, uaddr from, u32 size)
{
	u32 length = file->text->length;
	if (size > SPAWN_REQUEST_MOST - length)
		return -E_2BIG;
	int result = grow_request(file, length + size);
	if (result < 0)
		return result;
	user_copy_in(file->text->bytes + length, from, size);
	file->text->length += size;
	return (i32)size;
}

i32 proc_spawn(struct process *process, uaddr from, u32 size)
{
	if (size == 0 || size > SPAWN_REQUEST_MOST)
		return size ? -E_2BIG : -E_INVAL;
	if (!user_range_ok(from, size))
		return -E_FAULT;
	u8 *request = memory_allocate(process->pod->account, size);
	if (!request)
		return -E_NOMEM;
	user_copy_in(request, from, size);
	return spawn(process, request, size);
}

int proc_pipe(struct process *process, struct file **reader, struct file **writer)
{
	return pipe_open(process->pod->account, PIPE_LIMIT, reader, writer);
}

static int open_pipe(struct process *process, struct file **opened)
{
	struct file *writer;
	int result = proc_pipe(process, opened, &writer);
	if (result == 0)
		atomic_store(&(*opened)->pipe->writer, writer);
	return result;
}

static int open_writer(struct process *process, u32 number, struct file **opened)
{
	struct file *reader = descriptor_get(&process->descriptors, number);
	if (!reader || reader->kind != FILE_PIPE_READER)
		return -E_BADF;
	*opened = atomic_exchange(&reader->pipe->writer, NULL);
	return *opened ? 0 : -E_BADF;
}

static int open_descriptor(struct process *process, u32 number, struct file **opened)
{
	struct file *file = descriptor_get(&process->descriptors, number);
	if (!file)
		return -E_BADF;
	*opened = file_hold(file);
	return 0;
}

static int take_descriptor(struct process *process, u32 number, struct file **opened)
{
	*opened = descriptor_remove(&process->descriptors, number);
	return *opened ? 0 : -E_BADF;
}

static int open_pid(struct process *process, struct pid *pid, enum file_kind kind, struct file **opened)
{
	struct file *file = file_create(process->pod->account, kind);
	if (!file)
		return -E_NOMEM;
	file->pid = pid_hold(pid);
	*opened = file;
	return 0;
}

static void write_line(struct writer *writer, const char *name, u32 number)
{
	write_text(writer, name);
	write_text(writer, ":\t");
	write_number(writer, number);
	write_text(writer, "\n");
}

static int open_status(struct process *process, struct pid *pid, struct file **opened)
{
	int result = net_open_text(process, FILE_TEXT, TEXT_SIZE, opened);
	if (result < 0)
		return result;
	struct writer writer = net_writer((*opened)->text);
	write_text(&writer, has_ended(pid) ? "State:\tZ (zombie)\n" : "State:\tR (running)\n");
	write_line(&writer, "Pid", pid->number);
	write_line(&writer, "PPid", pid_parent_number(pid));
	write_line(&writer, "Session", pid->session);
	net_finish((*opened)->text, &writer);
	return 0;
}

static int open_terminal(struct process *process, struct file **opened)
{
	const struct terminal *terminal = process->terminal;
	if (!terminal)
		return -E_NOTTY;
	int result = net_open_text(process, FILE_TEXT, TEXT_SIZE, opened);
	if (result < 0)
		return result;
	struct writer writer = net_writer((*opened)->text);
	u32 flags = atomic_load(&terminal->flags);
	const u32 numbers[] = {atomic_load(&terminal->rows), atomic_load(&terminal->columns),
			       (flags & TERMINAL_ECHO) != 0, (flags & TERMINAL_ICANON) != 0,
			       (flags & TERMINAL_ISIG) != 0};
	for (u32 i = 0; i < COUNT_OF(numbers); i++) {
		write_text(&writer, i ? " " : "");
		write_number(&writer, numbers[i]);
	}
	write_text(&writer, "\n");
	net_finish((*opened)->text, &writer);
	return 0;
}

/* Room for a line of every layer. */
static u32 layers_size(const struct mounts *mounts)
{
	u32 size = 1;
	for (u32 i = 0; mounts && i < mounts->count; i++)
		if (mounts->list[i].flags & MOUNT_LAYER)
			size += mounts->list[i].target_length + (u32)sizeof(" unchanged\n");
	return size;
}

static int open_layers(struct process *process, struct file **opened)
{
	const struct mounts *mounts = process->mounts;
	u32 size = layers_size(mounts);
	int result = net_open_text(process, FILE_TEXT, size, opened);
	if (result < 0)
		return result;
	struct text *text = (*opened)->text;
	struct writer writer = {text->bytes, text->bytes + size};
	for (u32 i = 0; mounts && i < mounts->count; i++) {
		const struct mount *mount = &mounts->list[i];
		if (!(mount->flags & MOUNT_LAYER))
			continue;
		memcpy(writer.at, mount->target, mount->target_length);
		writer.at += mount->target_length;
		write_text(&writer, mount->changed || mount->gone ? " changed\n" : " unchanged\n");
	}
	net_finish(text, &writer);
	return 0;
}

/* `self` or a number: the process, held; NULL when there is none. */
static struct pid *named(struct process *process, const char *name)
{
	u32 number;
	if (text_equal(name, "self"))
		return pid_hold(process->pid);
	return read_number(name, INT32_MAX, &number) && number ? pid_find(process->pid->pids, number) : NULL;
}

static int open_of_process(struct process *process, const char *name, const char *what, struct file **opened)
{
	struct pid *pid = named(process, name);
	int result = -E_NOENT;
	if (pid && text_equal(what, "status"))
		result = open_status(process, pid, opened);
	else if (pid && text_equal(what, "exit"))
		result = open_pid(process, pid, FILE_EXIT, opened);
	if (pid)
		pid_release(pid);
	return result;
}

static int open_two_words(struct process *process, const struct words *path, struct file **opened)
{
	const char *first = path->word[0], *second = path->word[1];
	u32 number;
	bool is_number = read_number(second, INT32_MAX, &number);
	if (text_equal(first, "pipe"))
		return is_number ? open_writer(process, number, opened) : -E_NOENT;
	if (text_equal(first, "fd"))
		return is_number ? open_descriptor(process, number, opened) : -E_NOENT;
	if (text_equal(first, "take"))
		return is_number ? take_descriptor(process, number, opened) : -E_NOENT;
	return open_of_process(process, first, second, opened);
}

static int open_one_word(struct process *process, const char *name, struct file **opened)
{
	if (text_equal(name, "ctl"))
		return net_open_text(process, FILE_PROC_CONTROL, TEXT_SIZE, opened);
	if (text_equal(name, "spawn"))
		return net_open_text(process, FILE_SPAWN, FIRST_REQUEST, opened);
	if (text_equal(name, "pipe"))
		return open_pipe(process, opened);
	if (text_equal(name, "layers"))
		return open_layers(process, opened);
	if (text_equal(name, "tty"))
		return open_terminal(process, opened);
	if (text_equal(name, "null")) {
		*opened = file_create(process->pod->account, FILE_NULL);
		return *opened ? 0 : -E_NOMEM;
	}
	if (text_equal(name, "signals"))
		return open_pid(process, process->pid, FILE_SIGNALS, opened);
	return -E_NOENT;
}

int proc_open(struct process *process, const char *path, bool nonblocking, struct file **opened)
{
	struct words words;
	int count = net_split(&words, path, text_length(path), '/'), result = -E_NOENT;
	if (count < 0)
		return count;
	if (count == 0 || (count == 1 && text_equal(words.word[0], "."))) {
		*opened = file_create(process->pod->account, FILE_PROC_DIRECTORY);
		return *opened ? 0 : -E_NOMEM;
	}
	if (count == 1)
		result = open_one_word(process, words.word[0], opened);
	else if (count == 2)
		result = open_two_words(process, &words, opened);
	if (result == 0 && nonblocking && (*opened)->kind != FILE_HOST)
		(*opened)->nonblocking = true;
	return result;
}

enum wasi_filetype proc_filetype(struct process *process, const char *path)
{
	static const char *const files[] = {"ctl", "spawn", "pipe", "signals", "tty", "null", "layers"};
	struct words words;
	int count = net_split(&words, path, text_length(path), '/');
	if (count == 0 || (count == 1 && text_equal(words.word[0], ".")))
		return WASI_FILETYPE_DIRECTORY;
	for (u32 i = 0; count == 1 && i < COUNT_OF(files); i++)
		if (text_equal(words.word[0], files[i]))
			return WASI_FILETYPE_REGULAR_FILE;
	struct pid *pid = count == 1 || count == 2 ? named(process, words.word[0]) : NULL;
	if (!pid)
		return WASI_FILETYPE_UNKNOWN;
	pid_release(pid);
	if (count == 1)
		return WASI_FILETYPE_DIRECTORY;
	bool known = text_equal(words.word[1], "status") || text_equal(words.word[1], "exit");
	return known ? WASI_FILETYPE_REGULAR_FILE : WASI_FILETYPE_UNKNOWN;
}

/* kill PID SIGNAL */
static int command_kill(struct process *process, const struct words *words)
{
	u32 number, signal;
	if (!read_number(words->word[1], INT32_MAX, &number) || !read_number(words->word[2], INT32_MAX, &signal))
		return -E_INVAL;
	return pids_signal(process->pid->pids, number, signal);
}

/* wait PID|0 OPTIONS: the child and its status, or `0 0` */
static int command_wait(struct process *process, const struct words *words, struct writer *writer)
{
	u32 number, options, status = 0;
	if (!read_number(words->word[1], INT32_MAX, &number) || !read_number(words->word[2], INT32_MAX, &options))
		return -E_INVAL;
	i32 child = pid_wait(process->pid, number, options, &status);
	if (child < 0)
		return child;
	write_number(writer, child);
	write_text(writer, " ");
	write_number(writer, status);
	return 0;
}

/* catch CAUGHT IGNORED, masks with 1 << SIGNAL */
static int command_catch(struct process *process, const struct words *words)
{
	u32 caught, ignored;
	if (!read_number(words->word[1], UINT32_MAX, &caught) || !read_number(words->word[2], UINT32_MAX, &ignored))
		return -E_INVAL;
	return pid_catch(process->pid, caught, ignored);
}

/* asked: the kernel's number of the descriptor whose facts the program asked for last, once */
static int command_asked(struct process *process, struct writer *writer)
{
	u32 number = process->asked;
	process->asked = UINT32_MAX;
	if (number == UINT32_MAX)
		return -E_BADF;
	write_number(writer, number);
	return 0;
}

/* inherited: the next of its descriptors that its parent has named beside 0 to 2; nothing after the last */
static void command_inherited(struct process *process, struct writer *writer)
{
	if (process->inherited_told < process->inherited_count)
		write_number(writer, process->inherited[process->inherited_told++]);
}

/* tty ECHO ICANON ISIG, each 0 or 1 */
static int command_tty(struct process *process, const struct words *words)
{
	u32 flags = 0, value;
	for (u32 i = 0; i < 3; i++) {
		if (!read_number(words->word[1 + i], 1, &value))
			return -E_INVAL;
		flags |= value << i;
	}
	if (!process->terminal)
		return -E_NOTTY;
	atomic_store(&process->terminal->flags, flags);
	return 0;
}

i32 proc_control(struct process *process, struct file *file, const char *command, u32 length)
{
	struct words words;
	u32 trimmed = length;
	while (trimmed && command[trimmed - 1] == '\n')
		trimmed--;
	int result = net_split(&words, command, trimmed, ' ');
	if (result < 0)
		return result;
	struct writer writer = net_writer(file->text);
	if (text_equal(words.word[0], "kill"))
		result = command_kill(process, &words);
	else if (text_equal(words.word[0], "wait"))
		result = command_wait(process, &words, &writer);
	else if (text_equal(words.word[0], "catch"))
		result = command_catch(process, &words);
	else if (text_equal(words.word[0], "tty"))
		result = command_tty(process, &words);
	else if (text_equal(words.word[0], "asked"))
		result = command_asked(process, &writer);
	else if (text_equal(words.word[0], "inherited"))
		command_inherited(process, &writer);
	else
		result = -E_INVAL;
	if (result < 0)
		writer.at = file->text->bytes;
	net_finish(file->text, &writer);
	return result < 0 ? result : (i32)length;
}
