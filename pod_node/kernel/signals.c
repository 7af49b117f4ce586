/* Signals: what is sent to a process, and what becomes of it.
 *
 * A signal that nobody catches has Linux's default action: it does nothing or it ends the process, which notices on its
 * next way out of the kernel, or in the engine's epoch callback when it computes. One that is caught ends the wait that
 * the process is in, and is pending until its program takes it; nothing else happens by itself, because the kernel
 * cannot call into a guest. There is no stopping: STOP and its kin are not signals here.
 */
#include "pod_node/kernel/process.h"
#include "pod_node/kernel/spawn.h"

/* The default action is to do nothing. */
#define HARMLESS (SIGNAL_BIT(SIGNAL_CHLD) | SIGNAL_BIT(SIGNAL_CONT) | SIGNAL_BIT(SIGNAL_URG) | SIGNAL_BIT(SIGNAL_WINCH))
#define CANNOT_BE_CAUGHT (SIGNAL_BIT(SIGNAL_KILL) | SIGNAL_BIT(SIGNAL_STOP) | 1u)

static bool is_signal(u32 number)
{
	return number <= SIGNAL_LAST && (number < SIGNAL_STOP || number > SIGNAL_TTOU);
}

/* Under the lock, so that the process stays. */
static void deliver(struct pid *pid, u32 number)
{
	struct process *process = pid->process;
	u32 bit = SIGNAL_BIT(number);
	if (!process || number == 0)
		return;
	/* Whoever does not take an interrupt is interrupted by the next one. */
	bool ignores_us = number == SIGNAL_INT && atomic_load(&pid->pending) & bit;
	if (atomic_load(&pid->caught) & bit && !ignores_us) {
		atomic_fetch_or(&pid->pending, bit);
		atomic_fetch_or(&process->thread->interrupt, INTERRUPT_SIGNAL);
		thread_unpark(process->thread);
		waitq_wake(&pid->changes);
	} else if (!((atomic_load(&pid->ignored) | HARMLESS) & bit) || number == SIGNAL_KILL) {
		u32 none = 0;
		atomic_compare_exchange_strong(&pid->death, &none, number);
		process_kill(process);
		spawns_tell_kill();
	}
}

int pid_signal(struct pid *pid, u32 number)
{
	if (!is_signal(number))
		return -E_INVAL;
	lock_acquire(&pid->pids->lock);
	deliver(pid, number);
	lock_release(&pid->pids->lock);
	return 0;
}

int pids_signal(struct pids *pids, u32 number, u32 signal)
{
	struct pid *pid = pid_find(pids, number);
	if (!pid)
		return is_signal(signal) ? -E_SRCH : -E_INVAL;
	int result = pid_signal(pid, signal);
	pid_release(pid);
	return result;
}

void pids_signal_session(struct pids *pids, u32 session, u32 signal)
{
	lock_acquire(&pids->lock);
	for (struct pid *pid = pids->first; pid; pid = pid->next)
		if (pid->session == session)
			deliver(pid, signal);
	lock_release(&pids->lock);
}

void pids_end(struct pids *pids)
{
	lock_acquire(&pids->lock);
	pids->ending = true;
	for (struct pid *pid = pids->first; pid; pid = pid->next)
		if (pid->number != 1)
			deliver(pid, SIGNAL_KILL);
	lock_release(&pids->lock);
}

int pid_catch(struct pid *self, u32 caught, u32 ignored)
{
	if ((caught | ignored) & CANNOT_BE_CAUGHT)
		return -E_INVAL;
	lock_acquire(&self->pids->lock); /* a signal that is just being sent meets both masks or neither */
	atomic_store(&self->caught, caught);
	atomic_store(&self->ignored, ignored & ~caught);
	lock_release(&self->pids->lock);
	return 0;
}

u32 pid_take_signals(struct pid *self)
{
	if (self->process)
		thread_interrupted(self->process->thread);
	return atomic_exchange(&self->pending, 0);
}
