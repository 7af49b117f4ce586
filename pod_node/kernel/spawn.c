#include "pod_node/kernel/spawn.h"

#include "pod_node/kernel/description.h"

#include "vnet/fabric/text.h"

static struct {
	struct lock lock;
	struct process *first, *last; /* under lock */
	bool served;                  /* under lock */
	_Atomic bool killed;
	_Atomic bool refused; /* a disk has refused something */
	struct waitq changes;
} spawns;

/* A record's text, or NULL at the end; `*offset` moves on. The request ends with a NUL. */
static const char *next_record(const u8 *request, u32 size, u32 *offset)
{
	if (*offset >= size)
		return NULL;
	const char *record = (const char *)request + *offset;
	*offset += text_length(record) + 1;
	return record;
}

struct mapping {
	u32 number;
	bool closed;
	u32 from;
};

/* `NUMBER FROM` or `NUMBER`. */
static bool read_mapping(const char *record, struct mapping *mapping)
{
	char word[12];
	struct reader reader = {record + 1, record + 1 + text_length(record + 1)};
	mapping->closed = record[0] == 'c';
	if (!read_word(&reader, ' ', word, sizeof(word)) || !read_number(word, INT32_MAX, &mapping->number))
		return false;
	if (mapping->closed)
		return reader.at == reader.end;
	return read_word(&reader, ' ', word, sizeof(word)) && read_number(word, INT32_MAX, &mapping->from) &&
	       reader.at == reader.end;
}

static int inherit(struct process *child, const struct process *parent, const struct mapping *mapping)
{
	struct descriptors *table = &child->descriptors;
	if (mapping->closed) {
		struct file *file = descriptor_remove(table, mapping->number);
		if (file)
			file_release(file);
		return 0;
	}
	struct file *file = descriptor_get(&parent->descriptors, mapping->from);
	if (!file)
		return -E_BADF;
	struct file *inherited;
	int result = file_inherit(table, file, &inherited);
	if (result < 0)
		return result;
	result = descriptor_place(table, mapping->number, inherited);
	if (result < 0)
		file_release(inherited);
	return result;
}

static int apply_records(struct process *child, const struct process *parent, const u8 *request, u32 size)
{
	u32 offset = 0;
	bool program = false;
	struct mapping mapping;
	for (const char *record; (record = next_record(request, size, &offset));) {
		int result = 0;
		switch (record[0]) {
		case 'a': program = true; break;
		case 'e':
		case 'd': break;
		case 'f':
		case 'c': result = read_mapping(record, &mapping) ? inherit(child, parent, &mapping) : -E_INVAL; break;
		default: return -E_INVAL;
		}
		if (result < 0)
			return result;
	}
	return program ? 0 : -E_INVAL;
}

/* Remember the descriptors from `first` on, which the request has added to those of every process. */
static int note_inherited(struct process *child, u32 first)
{
	const struct descriptors *table = &child->descriptors;
	u32 count = 0;
	for (u32 number = first; number < table->size; number++)
		count += descriptor_get(table, number) != NULL;
	if (!count)
		return 0;
	child->inherited = memory_allocate(table->account, count * (u32)sizeof(u32));
	if (!child->inherited)
		return -E_NOMEM;
	for (u32 number = first; number < table->size; number++)
		if (descriptor_get(table, number))
			child->inherited[child->inherited_count++] = number;
	return 0;
}

/* 0 to 2 as the caller has them, as far as it has them; then the directories; then what the request says. */
static int furnish(struct process *child, const struct process *parent, const u8 *request, u32 size)
{
	for (u32 fd = 0; fd < 3; fd++) {
		struct file *file = file_create(child->pod->account, FILE_NET_DIRECTORY);
		int result = file ? descriptor_install(&child->descriptors, file) : -E_NOBUFS;
		if (result < 0) {
			if (file)
				file_release(file);
			return result;
		}
	}
	int result = process_open_mounts(child);
	u32 first = child->descriptors.first;
	for (u32 fd = 0; fd < 3 && result == 0; fd++) {
		struct mapping same = {.number = fd, .from = fd, .closed = !descriptor_get(&parent->descriptors, fd)};
		result = inherit(child, parent, &same);
		if (result < 0) /* cannot be inherited; the request may say what is there instead */
			result = inherit(child, parent, &(struct mapping){.number = fd, .closed = true});
	}
	if (result == 0)
		result = apply_records(child, parent, request, size);
	return result < 0 ? result : note_inherited(child, first);
}

static bool enqueue(struct process *process)
{
	lock_acquire(&spawns.lock);
	bool served = spawns.served;
	if (served) {
		process->next_spawn = NULL;
		*(spawns.first ? &spawns.last->next_spawn : &spawns.first) = process;
		spawns.last = process;
	}
	lock_release(&spawns.lock);
	if (served)
		waitq_wake(&spawns.changes);
	return served;
}

/* Whether the engine has still to open something for it. */
static bool has_to_open(const struct process *child)
{
	const struct descriptors *table = &child->descriptors;
	bool found = false;
	for (u32 number = 0; number < table->size && !found; number++) {
		const struct file *file = descriptor_get(table, number);
		found = file && file->kind == FILE_HOST && file->host_descriptor == HOST_DESCRIPTOR_NONE;
	}
	return found;
}

static bool is_decided(const void *object)
{
	return atomic_load(&((const struct pid *)object)->started) != 0;
}

/* The child is the node's from now on. A signal that comes meanwhile is kept for the next wait. */
static i32 await_start(struct pid *pid)
{
	i32 result = (i32)pid->number;
	bool interrupted = false;
	while (!is_decided(pid)) {
		waitq_block(&pid->changes, is_decided, is_decided, pid, NEVER);
		if (thread_killed(current()))
			break;
		interrupted = !is_decided(pid);
	}
	if (interrupted)
		atomic_fetch_or(&current()->interrupt, INTERRUPT_SIGNAL);
	i32 started = atomic_load(&pid->started);
	pid_release(pid);
	return started < 0 ? started : result;
}

i32 spawn(struct process *parent, u8 *request, u32 size)
{
	struct account *account = parent->pod->account;
	struct process *child = NULL;
	int result = size && request[size - 1] == 0 ? 0 : -E_INVAL;
	if (result == 0)
		result = process_create(parent->pid->pids, parent->pid, true, &child);
	if (result < 0) {
		memory_free(account, request, size);
		return result;
	}
	child->terminal = terminal_hold(parent->terminal);
	child->request = request;
	child->request_size = size;
	struct pid *pid = pid_hold(child->pid);
	result = furnish(child, parent, request, size);
	child->opens = has_to_open(child);
	if (result == 0 && !enqueue(child))
		result = -E_AGAIN;
	if (result == 0)
		return await_start(pid);
	pid_decide(pid, result);
	pid_release(pid);
	process_reap(child, 0);
	return result;
}

void spawns_tell_kill(void)
{
	atomic_store(&spawns.killed, true);
	waitq_wake(&spawns.changes);
}

bool spawns_take_kill(void)
{
	return atomic_exchange(&spawns.killed, false);
}

void spawns_tell_refusal(void)
{
	atomic_store(&spawns.refused, true);
	waitq_wake(&spawns.changes);
}

bool spawns_take_refusal(void)
{
	return atomic_exchange(&spawns.refused, false);
}

bool spawns_serve(void)
{
	lock_acquire(&spawns.lock);
	bool was = spawns.served;
	spawns.served = true;
	lock_release(&spawns.lock);
	return !was;
}

void spawns_close(void)
{
	lock_acquire(&spawns.lock);
	spawns.served = false;
	lock_release(&spawns.lock);
}

bool spawns_ready(void)
{
	lock_acquire(&spawns.lock);
	bool result = spawns.first || atomic_load(&spawns.killed) || atomic_load(&spawns.refused);
	lock_release(&spawns.lock);
	return result;
}

struct waitq *spawns_queue(void)
{
	return &spawns.changes;
}

struct process *spawns_take(void)
{
	lock_acquire(&spawns.lock);
	struct process *process = spawns.first;
	if (process)
		spawns.first = process->next_spawn;
	lock_release(&spawns.lock);
	return process;
}
