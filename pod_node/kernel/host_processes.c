/* Calls for the node that concern processes: begin one in a pod, start those that guests spawn, signal, end. */
#include "pod_node/kernel/host.h"

#include "pod_node/kernel/spawn.h"
#include "pod_node/kernel/wasi.h"

#define STDIO_LIMIT (64u << 10) /* a pipe's size on Linux */

/* Both ends of a pipe, one in the host's table and one as the process's `fd`. */
static int install_pipe(struct process *process, u32 fd, u32 *host_end)
{
	struct file *reader, *writer;
	int result = pipe_open(process->pod->account, STDIO_LIMIT, &reader, &writer);
	if (result < 0)
		return result;
	reader->pipe->terminal = terminal_hold(process->terminal);
	struct file *mine = fd == 0 ? writer : reader, *theirs = fd == 0 ? reader : writer;
	mine->nonblocking = true;
	result = descriptor_install(&host_process->descriptors, mine);
	if (result < 0) {
		file_release(mine);
		file_release(theirs);
		return result;
	}
	*host_end = (u32)result;
	result = descriptor_install(&process->descriptors, theirs);
	if (result < 0)
		file_release(theirs);
	return result;
}

/* Errors go where output goes. */
static int join_errors(struct process *process)
{
	struct file *output = file_hold(descriptor_get(&process->descriptors, 1));
	int result = descriptor_install(&process->descriptors, output);
	if (result < 0)
		file_release(output);
	return result;
}

static int install_stdio(struct process *process, struct process_started *started)
{
	u32 *host_end[] = {&started->input, &started->output, &started->error};
	u32 pipes = process->terminal ? 2 : 3;
	int result = 0;
	for (u32 fd = 0; fd < pipes && result >= 0; fd++)
		result = install_pipe(process, fd, host_end[fd]);
	if (result >= 0 && process->terminal)
		result = join_errors(process);
	return MIN(result, 0);
}

/* Close the host's ends of a stdio that was never handed out. */
static void close_host_ends(const struct process_started *started)
{
	const u32 ends[] = {started->input, started->output, started->error};
	for (u32 i = 0; i < COUNT_OF(ends); i++) {
		struct file *file =
			ends[i] != UINT32_MAX ? descriptor_remove(&host_process->descriptors, ends[i]) : NULL;
		if (file)
			file_release(file);
	}
}

static void describe(const struct process *process, struct process_started *started)
{
	started->process = process->id;
	started->number = process->pid->number;
	started->thread = (u32)(uintptr_t)process->thread;
	started->stack_top = started->thread + KERNEL_STACK_SIZE - 16;
	started->memory = (u32)(uintptr_t)&process->pid->pids->memory;
}

int host_process_begin(struct pids *pids, struct terminal *terminal, struct process_started *started)
{
	struct process *process;
	started->input = started->output = started->error = UINT32_MAX;
	int result = process_create(pids, NULL, true, &process);
	if (result < 0) {
		terminal_release(terminal);
		return result;
	}
	process->terminal = terminal;
	atomic_store(&process->pid->started, 1);
	result = install_stdio(process, started);
	if (result == 0)
		result = process_open_mounts(process);
	describe(process, started);
	if (result < 0) {
		close_host_ends(started);
		process_reap(process, 0);
	}
	return result;
}

/* Another process of the node's in the pod of process `id`, with `rows` at a terminal; a struct process_started at `at`.
 * 0, -E_NOENT when that one has ended, -E_AGAIN when the pod has as many as it may, or another negative errno. */
EXPORT(host_process_exec) i32 host_process_exec(u32 id, u32 rows, u32 columns, uaddr at);
i32 host_process_exec(u32 id, u32 rows, u32 columns, uaddr at)
{
	struct process *process = process_find(id);
	struct terminal *terminal = NULL;
	if (!process)
		return -E_NOENT;
	if (rows) {
		terminal = terminal_create(process->pod->account, rows, columns);
		if (!terminal)
			return -E_NOMEM;
	}
	return host_process_begin(process->pid->pids, terminal, (struct process_started *)(uintptr_t)at);
}

static struct terminal *terminal_of(u32 id)
{
	struct process *process = process_find(id);
	return process ? process->terminal : NULL;
}

/* The window of its terminal has another size: the session hears of it. 0 or -E_NOTTY. */
EXPORT(host_terminal_resize) i32 host_terminal_resize(u32 id, u32 rows, u32 columns);
i32 host_terminal_resize(u32 id, u32 rows, u32 columns)
{
	struct terminal *terminal = terminal_of(id);
	if (!terminal)
		return -E_NOTTY;
	atomic_store(&terminal->rows, rows);
	atomic_store(&terminal->columns, columns);
	const struct pid *pid = process_find(id)->pid;
	pids_signal_session(pid->pids, pid->session, SIGNAL_WINCH);
	return 0;
}

/* How its terminal treats lines, of enum terminal_flag, or -E_NOTTY. */
EXPORT(host_terminal_flags) i32 host_terminal_flags(u32 id);
i32 host_terminal_flags(u32 id)
{
	struct terminal *terminal = terminal_of(id);
	return terminal ? (i32)atomic_load(&terminal->flags) : -E_NOTTY;
}

/* The end was typed into `input`, the host's end of a terminal's. 0 or -E_NOTTY. */
EXPORT(host_terminal_end) i32 host_terminal_end(u32 input);
i32 host_terminal_end(u32 input)
{
	struct file *file = descriptor_get(&host_process->descriptors, input);
	if (!file || file->kind != FILE_PIPE_WRITER || !file->pipe->terminal)
		return -E_NOTTY;
	atomic_store(&file->pipe->terminal->ended, true);
	waitq_wake(&file->pipe->stream.readers);
	return 0;
}

EXPORT(host_process_kill) i32 host_process_kill(u32 id);
i32 host_process_kill(u32 id)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	process_kill(process);
	return 0;
}

/* As kill(2) of somebody outside of the pod, to this process; with `session` to all that descend from it, too. */
EXPORT(host_process_signal) i32 host_process_signal(u32 id, u32 signal, u32 session);
i32 host_process_signal(u32 id, u32 signal, u32 session)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	if (!session)
		return pid_signal(process->pid, signal);
	if (signal > SIGNAL_LAST)
		return -E_INVAL;
	pids_signal_session(process->pid->pids, process->pid->session, signal);
	return 0;
}

/* The process's thread has ended with this status, or there never was one: free what it had. Returns the status that
 * its parent sees, as `wait` has it. */
EXPORT(host_process_reap) i32 host_process_reap(u32 id, u32 status);
i32 host_process_reap(u32 id, u32 status)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	status = process_status(process, status);
	process_reap(process, status);
	return (i32)status;
}

/* The pod's main process, this one, has ended: end the others. The pod goes with `host_pod_reap`. */
EXPORT(host_pod_end) i32 host_pod_end(u32 id);
i32 host_pod_end(u32 id)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	pids_end(process->pid->pids);
	return 0;
}

/* The same for a pod's last process: take the pod off the network, too. */
EXPORT(host_pod_reap) i32 host_pod_reap(u32 id, u32 status);
i32 host_pod_reap(u32 id, u32 status)
{
	struct process *process = process_find(id);
	if (!process)
		return -E_NOENT;
	struct pod *pod = pod_hold(process->pod);
	status = process_status(process, status);
	process_reap(process, status);
	pod_detach_all(pod);
	pod_release(pod);
	return (i32)status;
}

/* Serve spawning: a descriptor to be watched for reading, or a negative errno. */
EXPORT(host_spawn_open) i32 host_spawn_open(void);
i32 host_spawn_open(void)
{
	if (!spawns_serve())
		return -E_ADDRINUSE;
	struct file *file = file_create(host_process->pod->account, FILE_SPAWNS);
	i32 fd = file ? descriptor_install(&host_process->descriptors, file) : -E_NOBUFS;
	if (fd < 0) {
		if (file)
			file_release(file);
		else
			spawns_close();
	}
	return fd;
}

/* Whether a process was killed by another one since the last call. */
EXPORT(host_kills_take) i32 host_kills_take(void);
i32 host_kills_take(void)
{
	return spawns_take_kill();
}

/* Whether a disk has refused something for the first time since the last call. */
EXPORT(host_refusals_take) i32 host_refusals_take(void);
i32 host_refusals_take(void)
{
	return spawns_take_refusal();
}

struct spawn_reply {
	struct process_started started;
	u32 parent;  /* the number of its parent; 0 when that has gone */
	u32 main;    /* the id of the pod's main process; 0 when that has gone */
	u32 request; /* address and size of its request, until it is decided */
	u32 size;
};

static struct process *main_process(struct pids *pids)
{
	struct pid *pid = pid_find(pids, 1);
	struct process *process = pid ? pid->process : NULL; /* only the node, who calls this, ends processes */
	if (pid)
		pid_release(pid);
	return process;
}

/* Take the next process that waits to be started: 1 and a struct spawn_reply, or 0 when there is none. */
EXPORT(host_spawn_take) i32 host_spawn_take(uaddr at);
i32 host_spawn_take(uaddr at)
{
	struct process *process = spawns_take();
	if (!process)
		return 0;
	struct spawn_reply *reply = (struct spawn_reply *)(uintptr_t)at;
	struct process *main = main_process(process->pid->pids);
	*reply = (struct spawn_reply){
		.started = {.input = UINT32_MAX, .output = UINT32_MAX, .error = UINT32_MAX},
		.parent = pid_parent_number(process->pid),
		.main = main ? main->id : 0,
		.request = (u32)(uintptr_t)process->request,
		.size = process->request_size,
	};
	describe(process, &reply->started);
	return 1;
}

static void forget_request(struct process *process)
{
	memory_free(process->pod->account, process->request, process->request_size);
	process->request = NULL;
}

/* The process has its guest, which runs or will, if its thread can open what it has inherited. 0 or -E_NOENT. */
EXPORT(host_spawn_started) i32 host_spawn_started(u32 id);
i32 host_spawn_started(u32 id)
{
	struct process *process = process_find(id);
	if (!process || !process->request)
		return -E_NOENT;
	forget_request(process);
	if (!process->opens)
		pid_decide(process->pid, 1);
	return 0;
}

/* It gets none, for this errno; it is gone. 0 or -E_NOENT. */
EXPORT(host_spawn_refuse) i32 host_spawn_refuse(u32 id, u32 error);
i32 host_spawn_refuse(u32 id, u32 error)
{
	struct process *process = process_find(id);
	if (!process || !process->request)
		return -E_NOENT;
	forget_request(process);
	pid_decide(process->pid, error ? -(i32)MIN(error, (u32)INT32_MAX) : -E_INVAL);
	process_reap(process, 0);
	return 0;
}
