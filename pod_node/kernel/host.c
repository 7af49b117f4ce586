/* Calls for the node itself: boot the fabric, make and end pods, publish names, and use the network as a
 * process of its own (the host endpoint).
 *
 * The node runs two kernel instances of its own, whose user memory is the fabric: one for all calls below, on
 * one thread, and one for the thread that waits in `host_wait`. Results below zero are negative errnos. Offsets
 * and sizes that Python needs are asked for with `host_layout`, never copied.
 */
#include "pod_node/kernel/host.h"

#include "pod_node/kernel/description.h"
#include "pod_node/kernel/spawn.h"
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/pods/names.h"
#include "vnet/fabric/text.h"

#define STAGING_SIZE (1u << 20)
#define HOST_DESCRIPTORS (READY_TOKENS / 2)

static u8 *staging;
struct process *host_process;

/* Take over the memory after the kernel's own data. `cores` bounds spinning. 0 or a negative errno. */
EXPORT(host_boot) i32 host_boot(uaddr heap, u64 size, u32 cores);
i32 host_boot(uaddr heap, u64 size, u32 cores)
{
	memory_initialize((uintptr_t)heap, size);
	wait_set_cores(cores > 1 ? cores : 0); /* with one core a spinner keeps its peer from running */
	staging = memory_allocate(NULL, STAGING_SIZE);
	struct pod *pod = pod_create("host", NEVER, UINT32_MAX);
	struct pids *pids = pod ? pids_create(pod, 1) : NULL;
	if (!pids || !staging)
		return -E_NOMEM;
	pod->is_node = true;
	pids->descriptor_limit = HOST_DESCRIPTORS;
	return process_create(pids, NULL, false, &host_process);
}

enum host_layout {
	LAYOUT_STAGING = 0,      /* address of a buffer for arguments and bytes */
	LAYOUT_STAGING_SIZE,
	LAYOUT_STACK_TOP,        /* of the thread that makes the node's calls */
	LAYOUT_IN_KERNEL_OFFSET, /* within a thread record */
	LAYOUT_KILLED_OFFSET,
	LAYOUT_STACK_SIZE,
	LAYOUT_REQUEST_SIZE,
	LAYOUT_REPLY_OFFSET, /* within a process request */
	LAYOUT_PAUSED_OFFSET,
};

/* A second thread of the host's, for `host_wait`; the address of its record. */
EXPORT(host_thread) u32 host_thread(void);
u32 host_thread(void)
{
	return (u32)(uintptr_t)thread_create(host_process, false);
}

/* Memory of that thread's own, for the tokens that `host_wait` hands out; its address, or a negative errno. */
EXPORT(host_token_buffer) i32 host_token_buffer(u32 capacity);
i32 host_token_buffer(u32 capacity)
{
	void *buffer = capacity <= READY_TOKENS ? memory_allocate(NULL, capacity * (u32)sizeof(u32)) : NULL;
	return buffer ? (i32)(uintptr_t)buffer : -E_NOMEM;
}

EXPORT(host_wait) i32 host_wait(uaddr tokens, u32 capacity);
i32 host_wait(uaddr tokens, u32 capacity)
{
	return ready_wait() ? (i32)ready_take((u32 *)(uintptr_t)tokens, capacity) : -E_INTR;
}

EXPORT(host_stop) void host_stop(void);
void host_stop(void)
{
	ready_stop();
}

/* `name`: NUL-terminated in the fabric. */
EXPORT(host_name_network) void host_name_network(u32 network, uaddr name);
void host_name_network(u32 network, uaddr name)
{
	network_set_name(network, (const char *)(uintptr_t)name);
}

/* Give the host an address on a network: its gateway's. */
EXPORT(host_attach) i32 host_attach(u32 network, u32 ipv4, u32 prefix);
i32 host_attach(u32 network, u32 ipv4, u32 prefix)
{
	return pod_attach(host_process->pod, network, address_from_ipv4(ipv4), prefix);
}

EXPORT(host_detach) i32 host_detach(u32 ipv4);
i32 host_detach(u32 ipv4)
{
	pod_detach(host_process->pod, address_from_ipv4(ipv4));
	return 0;
}

/* `name`: NUL-terminated in the fabric; `ipv4s`: `count` addresses, host byte order. */
EXPORT(host_publish) i32 host_publish(u32 network, uaddr name, uaddr ipv4s, u32 count);
i32 host_publish(u32 network, uaddr name, uaddr ipv4s, u32 count)
{
	if (count > NAME_ADDRESSES_MOST)
		return -E_INVAL;
	u32 size = MAX(count, 1u) * (u32)sizeof(struct address);
	struct address *addresses = memory_allocate(NULL, size);
	if (!addresses)
		return -E_NOBUFS;
	for (u32 i = 0; i < count; i++)
		addresses[i] = address_from_ipv4(((const u32 *)(uintptr_t)ipv4s)[i]);
	int result = name_publish(network, (const char *)(uintptr_t)name, addresses, count);
	memory_free(NULL, addresses, size);
	return result;
}

struct pod_interface {
	u32 network, ipv4, prefix;
};

struct process_request {
	u64 fabric_bytes, memory_bytes;
	u32 sockets, descriptors, host_files, processes;
	u32 mounts, mount_texts; /* how many, and the bytes of their texts; both follow the request */
	u32 interface_count;
	u32 rows, columns; /* of the main process's terminal; no rows is none */
	struct pod_interface interfaces[INTERFACES_MOST];
	char hostname[HOSTNAME_SIZE];
	/* the reply */
	struct process_started started;
	u32 files; /* its mounts, which the host holds until `host_files_release` */
};

EXPORT(host_layout) u32 host_layout(u32 what);
u32 host_layout(u32 what)
{
	switch (what) {
	case LAYOUT_STAGING: return (u32)(uintptr_t)staging;
	case LAYOUT_STAGING_SIZE: return STAGING_SIZE;
	case LAYOUT_STACK_TOP: return (u32)(uintptr_t)host_process->thread + KERNEL_STACK_SIZE - 16;
	case LAYOUT_IN_KERNEL_OFFSET: return offsetof(struct thread, in_kernel);
	case LAYOUT_KILLED_OFFSET: return offsetof(struct thread, interrupt);
	case LAYOUT_STACK_SIZE: return KERNEL_STACK_SIZE;
	case LAYOUT_REQUEST_SIZE: return sizeof(struct process_request);
	case LAYOUT_REPLY_OFFSET: return offsetof(struct process_request, started);
	case LAYOUT_PAUSED_OFFSET: return offsetof(struct thread, paused);
	default: return 0;
	}
}

static int mount_all(struct pids *pids, const struct process_request *request)
{
	const struct mount_request *mounts = (const struct mount_request *)(request + 1);
	pids->mounts = mounts_create(pids->pod->account, mounts, request->mounts, request->mount_texts);
	return pids->mounts ? 0 : -E_NOBUFS;
}

static int attach_interfaces(struct pod *pod, const struct process_request *request)
{
	int result = request->interface_count > INTERFACES_MOST ? -E_INVAL : 0;
	for (u32 i = 0; result == 0 && i < request->interface_count; i++) {
		const struct pod_interface *interface = &request->interfaces[i];
		result = pod_attach(pod, interface->network, address_from_ipv4(interface->ipv4), interface->prefix);
	}
	return result;
}

/* A pod without a process; the namespace holds it. NULL when there is no room. */
static struct pids *create_pids(const struct process_request *request)
{
	struct pod *pod = pod_create(request->hostname, request->fabric_bytes, request->sockets);
	struct pids *pids = pod ? pids_create(pod, request->processes) : NULL;
	if (pod)
		pod_release(pod);
	if (pids) {
		pids->descriptor_limit = request->descriptors;
		pids->memory_limit = request->memory_bytes;
		pids->host_file_limit = request->host_files;
	}
	return pids;
}

static int begin(struct pids *pids, struct process_request *request)
{
	struct terminal *terminal = NULL;
	if (request->rows) {
		terminal = terminal_create(pids->pod->account, request->rows, request->columns);
		if (!terminal)
			return -E_NOBUFS;
	}
	return host_process_begin(pids, terminal, &request->started);
}

/* Make a pod with one process, as `request` in the fabric asks, and fill in its reply. */
EXPORT(host_pod_create) i32 host_pod_create(uaddr at);
i32 host_pod_create(uaddr at)
{
	struct process_request *request = (struct process_request *)(uintptr_t)at;
	request->hostname[HOSTNAME_SIZE - 1] = 0;
	struct pids *pids = create_pids(request);
	if (!pids)
		return -E_NOBUFS;
	int result = attach_interfaces(pids->pod, request);
	if (result == 0)
		result = mount_all(pids, request);
	if (result == 0)
		result = begin(pids, request);
	request->files = result < 0 ? 0 : (u32)(uintptr_t)mounts_hold(pids->mounts);
	if (result < 0)
		pod_detach_all(pids->pod);
	pids_release(pids);
	return result == -E_NOMEM || result == -E_AGAIN ? -E_NOBUFS : result;
}

/* The guest's thread is about to run; called on that thread. Whether `host_thread_open` is to be called, too. */
EXPORT(host_thread_started) u32 host_thread_started(u32 thread);
u32 host_thread_started(u32 thread)
{
	struct thread *self = (struct thread *)(uintptr_t)thread;
	thread_started(self);
	process_count_memory(self->process);
	return self->process->opens;
}

/* Open what the process has inherited, on its thread; its parent hears of it. 0, or a negative errno: then the guest is
 * not to run. */
EXPORT(host_thread_open) i32 host_thread_open(u32 thread);
i32 host_thread_open(u32 thread)
{
	struct thread *self = (struct thread *)(uintptr_t)thread;
	store_own(&self->in_kernel, 1);
	i32 result = description_open_all(&self->process->descriptors);
	pid_decide(self->process->pid, result < 0 ? result : 1);
	store_own(&self->in_kernel, 0);
	return result;
}

struct fabric_statistics {
	u64 bytes_total, bytes_used;
	u32 sockets;
};

EXPORT(host_statistics) void host_statistics(uaddr at);
void host_statistics(uaddr at)
{
	struct memory_statistics memory = memory_statistics();
	*(struct fabric_statistics *)(uintptr_t)at = (struct fabric_statistics){
		.bytes_total = memory.total,
		.bytes_used = memory.used,
		.sockets = atomic_load(socket_count()),
	};
}

static struct file *host_file(u32 fd)
{
	return descriptor_get(&host_process->descriptors, fd);
}

i32 host_install_socket(struct socket *socket)
{
	struct file *file = file_create(host_process->pod->account, FILE_SOCKET);
	if (!file) {
		socket_close(socket);
		return -E_NOBUFS;
	}
	file->socket = socket;
	file->nonblocking = true;
	i32 fd = descriptor_install(&host_process->descriptors, file);
	if (fd < 0)
		file_release(file);
	return fd;
}

/* A descriptor, connecting or connected; watch it for writing, then ask `host_error`. */
EXPORT(host_connect) i32 host_connect(u32 ipv4, u32 port);
i32 host_connect(u32 ipv4, u32 port)
{
	struct socket *socket = tcp_open(host_process->pod);
	if (!socket)
		return -E_NOBUFS;
	int result = tcp_connect(socket, address_from_ipv4(ipv4), port, false);
	if (result < 0 && result != -E_INPROGRESS) {
		tcp_close(socket);
		return result;
	}
	return host_install_socket(socket);
}

EXPORT(host_listen) i32 host_listen(u32 ipv4, u32 port, u32 backlog);
i32 host_listen(u32 ipv4, u32 port, u32 backlog)
{
	struct socket *socket = tcp_open(host_process->pod);
	if (!socket)
		return -E_NOBUFS;
	socket->reuse_address = true;
	int result = tcp_bind(socket, address_from_ipv4(ipv4), port);
	if (result == 0)
		result = tcp_listen(socket, backlog);
	if (result < 0) {
		tcp_close(socket);
		return result;
	}
	return host_install_socket(socket);
}

/* A descriptor that is readable when a program listens on a port of the pod that has the address. */
EXPORT(host_await_port) i32 host_await_port(u32 ipv4, u32 port);
i32 host_await_port(u32 ipv4, u32 port)
{
	struct account *account = host_process->pod->account;
	struct awaited_port *awaited;
	int result = awaited_open(account, address_from_ipv4(ipv4), port, &awaited);
	if (result < 0)
		return result;
	struct file *file = file_create(account, FILE_AWAITED);
	if (!file) {
		awaited_close(awaited);
		return -E_NOBUFS;
	}
	file->awaited = awaited;
	i32 fd = descriptor_install(&host_process->descriptors, file);
	if (fd < 0)
		file_release(file);
	return fd;
}

static struct socket *host_socket(u32 fd)
{
	struct file *file = host_file(fd);
	return file && file->kind == FILE_SOCKET ? file->socket : NULL;
}

EXPORT(host_accept) i32 host_accept(u32 fd);
i32 host_accept(u32 fd)
{
	struct socket *listener = host_socket(fd), *socket;
	int result = listener ? socket_accept(listener, false, &socket) : -E_BADF;
	return result < 0 ? result : host_install_socket(socket);
}

EXPORT(host_read) i32 host_read(u32 fd, uaddr to, u32 size);
i32 host_read(u32 fd, uaddr to, u32 size)
{
	struct file *file = host_file(fd);
	return file ? file_read(file, to, size, false, false) : -E_BADF;
}

EXPORT(host_write) i32 host_write(u32 fd, uaddr from, u32 size);
i32 host_write(u32 fd, uaddr from, u32 size)
{
	struct file *file = host_file(fd);
	return file ? file_write(file, from, size, false) : -E_BADF;
}

EXPORT(host_shutdown) i32 host_shutdown(u32 fd, u32 how);
i32 host_shutdown(u32 fd, u32 how)
{
	struct socket *socket = host_socket(fd);
	return socket ? socket_shutdown(socket, how) : -E_BADF;
}

EXPORT(host_error) i32 host_error(u32 fd);
i32 host_error(u32 fd)
{
	struct socket *socket = host_socket(fd);
	return socket ? (i32)socket_take_error(socket) : -E_BADF;
}

/* local << 16 | port in one number; `remote` chooses the peer's. */
EXPORT(host_endpoint) u64 host_endpoint(u32 fd, u32 remote);
u64 host_endpoint(u32 fd, u32 remote)
{
	struct socket *socket = host_socket(fd);
	if (!socket)
		return 0;
	struct address address = remote ? socket->remote : socket->local;
	return (u64)address_to_ipv4(address) << 16 | (remote ? socket->remote_port : socket->local_port);
}

EXPORT(host_close) i32 host_close(u32 fd);
i32 host_close(u32 fd)
{
	struct file *file = descriptor_remove(&host_process->descriptors, fd);
	if (!file)
		return -E_BADF;
	file_release(file);
	return 0;
}

/* Ask for one token, fd << 1 | (event is POLL_WRITE), in the ready list when `event` may hold.
 * 1 when it holds already and nothing was registered, 0 when registered. */
EXPORT(host_watch) i32 host_watch(u32 fd, u32 event);
i32 host_watch(u32 fd, u32 event)
{
	struct file *file = host_file(fd);
	if (!file)
		return -E_BADF;
	if (!file->watches)
		file->watches = memory_allocate(file->account, 2 * sizeof(struct waiter));
	if (!file->watches)
		return -E_NOBUFS;
	u32 writing = event == POLL_WRITE;
	struct waiter *watch = &file->watches[writing];
	waitq_leave(watch);
	watch->token = fd << 1 | writing;
	if (!file_join(file, event, watch))
		return -E_BADF;
	if (!(file_poll(file) & (event | POLL_HANGUP)))
		return 0;
	waitq_leave(watch);
	return 1;
}
