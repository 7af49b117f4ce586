/* Calls for processes, beside WASI's: what posix_spawn, waitpid, kill, pipe and dup of a C library are made of. They are
 * in WASI's module, as the socket calls are. */
#include "pod_node/kernel/proc.h"

#include "pod_node/kernel/spawn.h"

enum { ID_SELF = 0, ID_PARENT, ID_SESSION };

WASI_CALL(proc_id, (u32 which, uaddr id), (which, id))
{
	struct pid *self = current_process()->pid;
	u32 number;
	switch (which) {
	case ID_SELF: number = self->number; break;
	case ID_PARENT: number = pid_parent_number(self); break;
	case ID_SESSION: number = self->session; break;
	default: return WASI_INVAL;
	}
	return guest_store_u32(id, number) ? WASI_SUCCESS : WASI_FAULT;
}

WASI_CALL(proc_spawn, (uaddr request, u32 size, uaddr child), (request, size, child))
{
	if (!user_range_ok(child, sizeof(u32)))
		return WASI_FAULT;
	i32 number = proc_spawn(current_process(), request, size);
	if (number >= 0)
		guest_store_u32(child, (u32)number);
	return wasi_result(number);
}

WASI_CALL(proc_wait, (u32 number, u32 options, uaddr ended, uaddr status), (number, options, ended, status))
{
	u32 value = 0;
	if (!user_range_ok(ended, sizeof(u32)) || !user_range_ok(status, sizeof(u32)))
		return WASI_FAULT;
	i32 child = pid_wait(current_process()->pid, number, options, &value);
	if (child >= 0) {
		guest_store_u32(ended, (u32)child);
		guest_store_u32(status, value);
	}
	return wasi_result(child);
}

WASI_CALL(proc_kill, (u32 number, u32 signal), (number, signal))
{
	return wasi_result(pids_signal(current_process()->pid->pids, number, signal));
}

WASI_CALL(proc_raise, (u32 signal), (signal))
{
	return wasi_result(pid_signal(current_process()->pid, signal));
}

WASI_CALL(proc_catch, (u32 caught, u32 ignored), (caught, ignored))
{
	return wasi_result(pid_catch(current_process()->pid, caught, ignored));
}

WASI_CALL(proc_signals, (uaddr pending), (pending))
{
	if (!user_range_ok(pending, sizeof(u32)))
		return WASI_FAULT;
	guest_store_u32(pending, pid_take_signals(current_process()->pid));
	return WASI_SUCCESS;
}

/* Two numbers at `ends`: the reading end's and the writing end's. */
WASI_CALL(fd_pipe, (uaddr ends), (ends))
{
	struct process *process = current_process();
	struct file *reader, *writer;
	if (!user_range_ok(ends, 2 * sizeof(u32)))
		return WASI_FAULT;
	int result = proc_pipe(process, &reader, &writer);
	if (result < 0)
		return wasi_result(result);
	u32 error = wasi_install(reader, ends);
	if (error) {
		file_release(writer);
		return error;
	}
	error = wasi_install(writer, ends + (u32)sizeof(u32));
	if (error) {
		u32 number = 0;
		guest_load(&number, ends, sizeof(number));
		struct file *file = descriptor_remove(&process->descriptors, number);
		if (file)
			file_release(file);
	}
	return error;
}

WASI_CALL(fd_dup, (u32 fd, uaddr copy), (fd, copy))
{
	struct file *file = descriptor_get(&current_process()->descriptors, fd);
	return file ? wasi_install(file_hold(file), copy) : (u32)WASI_BADF;
}
