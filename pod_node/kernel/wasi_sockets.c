/* Socket calls: the four of WASI preview1, and the ones WasmEdge added, under their names and layouts. */
#include "pod_node/kernel/datagrams.h"
#include "pod_node/kernel/wasi.h"
#include "vnet/fabric/outside/resolve.h"
#include "vnet/fabric/text.h"

enum { RECV_PEEK = 1, RECV_WAITALL = 2, RECV_DONTWAIT = 4 };
enum { RECV_DATA_TRUNCATED = 1 };
enum { SHUTDOWN_READ = 1, SHUTDOWN_WRITE = 2 };
/* With this bit a descriptor's number is a socket's id, as `/net` has it: for runtimes whose C library keeps
 * numbers of its own and does not translate them in socket calls. */
#define SOCKET_BY_ID 0x40000000u
/* With this one too, sock_recv and sock_send carry headers, whatever the socket's option says (datagrams.h). */
#define DATAGRAM_HEADERS 0x20000000u
enum { EDGE_INET4 = 1, EDGE_DATAGRAM = 1, EDGE_STREAM = 2 };

/* WasmEdge's address: a buffer of 4 bytes (IPv4) or 16 (IPv6, here only v4-mapped). */
struct edge_address {
	u32 buffer, length;
};

static int socket_of(u32 fd, struct file **file)
{
	struct process *process = current_process();
	*file = fd & SOCKET_BY_ID ? net_socket_file(process, fd & ~(SOCKET_BY_ID | DATAGRAM_HEADERS))
				  : descriptor_get(&process->descriptors, fd);
	if (!*file)
		return -E_BADF;
	return (*file)->kind == FILE_SOCKET ? 0 : -E_NOTSOCK;
}

WASI_CALL(sock_accept, (u32 fd, u32 flags, uaddr accepted), (fd, flags, accepted))
{
	struct file *listener, *file;
	int result = socket_of(fd, &listener);
	if (result == 0 && !user_range_ok(accepted, sizeof(u32)))
		result = -E_FAULT;
	if (result == 0)
		result = wasi_accept(current_process(), listener->socket, !listener->nonblocking, &file);
	if (result < 0)
		return wasi_result(result);
	file->nonblocking = flags & WASI_FDFLAGS_NONBLOCK;
	return wasi_install(file, accepted);
}

static bool wants_headers(const struct file *file, u32 fd)
{
	return file_is_datagram_socket(file) && (file->socket->headers || (fd & SOCKET_BY_ID && fd & DATAGRAM_HEADERS));
}

static i32 receive(struct file *file, uaddr iovs, u32 count, u32 flags, bool headers, struct udp_received *received)
{
	bool wait = !file->nonblocking && !(flags & RECV_DONTWAIT), peek = flags & RECV_PEEK;
	if (file_is_datagram_socket(file))
		return wasi_datagram_in(file->socket, iovs, count, wait, peek, headers, received);
	/* On a stream the source is the peer. */
	*received = (struct udp_received){0};
	if (atomic_load(&file->socket->state) == TCP_ESTABLISHED) /* then it stays the same */
		received->source = socket_remote(file->socket);
	return wasi_transfer_in(file, iovs, count, wait, peek, flags & RECV_WAITALL);
}

WASI_CALL(sock_recv, (u32 fd, uaddr iovs, u32 count, u32 flags, uaddr size, uaddr out_flags),
	  (fd, iovs, count, flags, size, out_flags))
{
	struct file *file;
	struct udp_received received;
	int result = socket_of(fd, &file);
	if (result == 0 && !(user_range_ok(size, sizeof(u32)) && user_range_ok(out_flags, sizeof(u16))))
		result = -E_FAULT;
	i32 moved = result < 0 ? result : receive(file, iovs, count, flags, wants_headers(file, fd), &received);
	if (moved < 0)
		return wasi_result(moved);
	u16 seen = received.truncated ? RECV_DATA_TRUNCATED : 0;
	guest_store_u32(size, (u32)moved);
	guest_store(out_flags, &seen, sizeof(seen));
	return WASI_SUCCESS;
}

static i32 send(u32 fd, uaddr iovs, u32 count, uaddr size, const struct endpoint *to)
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result < 0)
		return result;
	if (!user_range_ok(size, sizeof(u32)))
		return -E_FAULT;
	i32 moved = file_is_datagram_socket(file)
			    ? wasi_datagram_out(file->socket, iovs, count, !to && wants_headers(file, fd), to)
			    : wasi_transfer_out(file, iovs, count, !file->nonblocking);
	if (moved >= 0)
		guest_store_u32(size, (u32)moved);
	return moved;
}

WASI_CALL(sock_send, (u32 fd, uaddr iovs, u32 count, u32 flags, uaddr size), (fd, iovs, count, flags, size))
{
	(void)flags;
	return wasi_result(send(fd, iovs, count, size, NULL));
}

WASI_CALL(sock_shutdown, (u32 fd, u32 how), (fd, how))
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result == 0 && (how == 0 || how > (SHUTDOWN_READ | SHUTDOWN_WRITE)))
		result = -E_INVAL;
	if (result == 0)
		result = socket_shutdown(file->socket, how);
	return wasi_result(result);
}

WASI_CALL(sock_open, (u32 family, u32 type, uaddr opened), (family, type, opened))
{
	if (family != EDGE_INET4)
		return WASI_AFNOSUPPORT;
	if (type != EDGE_STREAM && type != EDGE_DATAGRAM)
		return WASI_NOTSUP;
	struct pod *pod = current_process()->pod;
	struct socket *socket = type == EDGE_STREAM ? tcp_open(pod) : udp_open(pod);
	struct file *file = socket ? file_create(pod->account, FILE_SOCKET) : NULL;
	if (!file) {
		if (socket)
			socket_close(socket);
		return WASI_NOBUFS;
	}
	file->socket = socket;
	return wasi_install(file, opened);
}

static int load_address(uaddr from, struct address *address)
{
	struct edge_address edge;
	u8 bytes[16];
	if (!guest_load(&edge, from, sizeof(edge)))
		return -E_FAULT;
	if (edge.length != 4 && edge.length != 16)
		return -E_AFNOSUPPORT;
	if (!guest_load(bytes, edge.buffer, edge.length))
		return -E_FAULT;
	const u8 *ipv4 = bytes + edge.length - 4;
	*address = address_from_ipv4((u32)ipv4[0] << 24 | (u32)ipv4[1] << 16 | (u32)ipv4[2] << 8 | ipv4[3]);
	if (edge.length == 16) {
		static const u8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
		if (memcmp(bytes, mapped, sizeof(mapped)))
			return -E_AFNOSUPPORT;
	}
	return 0;
}

static int store_address(uaddr to, struct address address)
{
	struct edge_address edge;
	u32 ipv4 = address_to_ipv4(address);
	u8 bytes[16] = {
		[10] = 0xff,    [11] = 0xff, [12] = (u8)(ipv4 >> 24), [13] = (u8)(ipv4 >> 16), [14] = (u8)(ipv4 >> 8),
		[15] = (u8)ipv4};
	if (!guest_load(&edge, to, sizeof(edge)))
		return -E_FAULT;
	if (edge.length < 4)
		return -E_INVAL;
	u32 size = edge.length >= 16 ? 16 : 4;
	return guest_store(edge.buffer, bytes + 16 - size, size) ? 0 : -E_FAULT;
}

WASI_CALL(sock_bind, (u32 fd, uaddr address, u32 port), (fd, address, port))
{
	struct file *file;
	struct address to;
	int result = socket_of(fd, &file);
	if (result == 0)
		result = load_address(address, &to);
	if (result == 0)
		result = socket_bind(file->socket, to, port);
	return wasi_result(result);
}

WASI_CALL(sock_listen, (u32 fd, u32 backlog), (fd, backlog))
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result == 0)
		result = socket_listen(file->socket, backlog);
	return wasi_result(result);
}

WASI_CALL(sock_connect, (u32 fd, uaddr address, u32 port), (fd, address, port))
{
	struct file *file;
	struct address to;
	int result = socket_of(fd, &file);
	if (result == 0)
		result = load_address(address, &to);
	if (result == 0)
		result = socket_connect(file->socket, to, port, !file->nonblocking);
	return wasi_result(result);
}

static int store_endpoint(uaddr address, uaddr type, uaddr port, struct endpoint end)
{
	int result = store_address(address, end.address);
	if (result == 0 && !(guest_store_u32(type, 4) && guest_store_u32(port, end.port)))
		result = -E_FAULT;
	return result;
}

WASI_CALL(sock_getlocaladdr, (u32 fd, uaddr address, uaddr type, uaddr port), (fd, address, type, port))
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result == 0)
		result = store_endpoint(address, type, port, socket_ends(file->socket).local);
	return wasi_result(result);
}

WASI_CALL(sock_getpeeraddr, (u32 fd, uaddr address, uaddr type, uaddr port), (fd, address, type, port))
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result == 0 && atomic_load(&file->socket->state) != TCP_ESTABLISHED)
		result = -E_NOTCONN;
	if (result == 0)
		result = store_endpoint(address, type, port, socket_ends(file->socket).remote);
	return wasi_result(result);
}

/* A struct timeval, with members of 64 bits each, or of 32 where there is no room for more. */
struct timeval64 {
	i64 seconds, microseconds;
};

struct timeval32 {
	i32 seconds, microseconds;
};

/* The number of bytes stored, or a negative errno. */
static int store_timeout(u64 timeout, uaddr value, u32 room)
{
	u64 seconds = timeout / NSEC_PER_SEC, microseconds = timeout % NSEC_PER_SEC / NSEC_PER_USEC;
	struct timeval64 wide = {(i64)seconds, (i64)microseconds};
	struct timeval32 narrow = {(i32)MIN(seconds, (u64)INT32_MAX), (i32)microseconds};
	if (room >= sizeof(wide))
		return guest_store(value, &wide, sizeof(wide)) ? (int)sizeof(wide) : -E_FAULT;
	if (room >= sizeof(narrow))
		return guest_store(value, &narrow, sizeof(narrow)) ? (int)sizeof(narrow) : -E_FAULT;
	return -E_INVAL;
}

/* Linux: microseconds are below a million, and less than no time is the least. */
static int load_timeout(_Atomic u64 *timeout, uaddr value, u32 size)
{
	struct timeval64 wide = {0, 0};
	struct timeval32 narrow;
	if (size >= sizeof(wide)) {
		if (!guest_load(&wide, value, sizeof(wide)))
			return -E_FAULT;
	} else {
		if (size < sizeof(narrow))
			return -E_INVAL;
		if (!guest_load(&narrow, value, sizeof(narrow)))
			return -E_FAULT;
		wide = (struct timeval64){narrow.seconds, narrow.microseconds};
	}
	if (wide.microseconds < 0 || wide.microseconds >= 1000000)
		return -E_DOM;
	u64 seconds = (u64)MIN(MAX(wide.seconds, (i64)0), (i64)INT32_MAX);
	*timeout = wide.seconds < 0 ? 1 : seconds * NSEC_PER_SEC + (u64)wide.microseconds * NSEC_PER_USEC;
	return 0;
}

/* The number of bytes stored, or a negative errno. */
static int store_option(struct socket *socket, u32 level, u32 name, uaddr value, u32 room)
{
	const _Atomic u64 *timeout = socket_option_timeout(socket, level, name);
	if (timeout)
		return store_timeout(*timeout, value, room);
	i32 option;
	if (!user_range_ok(value, sizeof(option)))
		return -E_FAULT;
	if (room < sizeof(option))
		return -E_INVAL;
	int result = socket_option_get(socket, level, name, &option);
	if (result < 0)
		return result;
	guest_store(value, &option, sizeof(option));
	return (int)sizeof(option);
}

WASI_CALL(sock_getsockopt, (u32 fd, u32 level, u32 name, uaddr value, uaddr size), (fd, level, name, value, size))
{
	struct file *file;
	u32 room;
	int result = socket_of(fd, &file);
	if (result == 0 && !guest_load(&room, size, sizeof(room)))
		result = -E_FAULT;
	if (result == 0)
		result = store_option(file->socket, level, name, value, room);
	if (result < 0)
		return wasi_result(result);
	guest_store_u32(size, (u32)result);
	return WASI_SUCCESS;
}

static int load_option(struct socket *socket, u32 level, u32 name, uaddr value, u32 size)
{
	_Atomic u64 *timeout = socket_option_timeout(socket, level, name);
	if (timeout)
		return load_timeout(timeout, value, size);
	i32 option;
	if (size < sizeof(option))
		return -E_INVAL;
	if (!guest_load(&option, value, sizeof(option)))
		return -E_FAULT;
	return socket_option_set(socket, level, name, option);
}

WASI_CALL(sock_setsockopt, (u32 fd, u32 level, u32 name, uaddr value, u32 size), (fd, level, name, value, size))
{
	struct file *file;
	int result = socket_of(fd, &file);
	if (result == 0)
		result = load_option(file->socket, level, name, value, size);
	return wasi_result(result);
}

static bool address_storable(uaddr to)
{
	struct edge_address edge;
	return guest_load(&edge, to, sizeof(edge)) && edge.length >= 4 &&
	       user_range_ok(edge.buffer, edge.length >= 16 ? 16 : 4);
}

WASI_CALL(sock_recv_from,
	  (u32 fd, uaddr iovs, u32 count, uaddr address, u32 flags, uaddr port, uaddr size, uaddr out_flags),
	  (fd, iovs, count, address, flags, port, size, out_flags))
{
	struct file *file;
	struct udp_received received;
	int result = socket_of(fd, &file);
	if (result == 0 && !(user_range_ok(size, sizeof(u32)) && user_range_ok(out_flags, sizeof(u16)) &&
			     user_range_ok(port, sizeof(u32)) && address_storable(address)))
		result = -E_FAULT;
	i32 moved = result < 0 ? result : receive(file, iovs, count, flags, false, &received);
	if (moved < 0)
		return wasi_result(moved);
	u16 seen = received.truncated ? RECV_DATA_TRUNCATED : 0;
	guest_store_u32(size, (u32)moved);
	guest_store(out_flags, &seen, sizeof(seen));
	guest_store_u32(port, received.source.port);
	return wasi_result(store_address(address, received.source.address));
}

WASI_CALL(sock_send_to, (u32 fd, uaddr iovs, u32 count, uaddr address, u32 port, u32 flags, uaddr size),
	  (fd, iovs, count, address, port, flags, size))
{
	(void)flags;
	struct file *file;
	struct endpoint to = {.port = port};
	int result = socket_of(fd, &file);
	if (result == 0 && file_is_datagram_socket(file)) /* Linux ignores the address on a connected stream */
		result = load_address(address, &to.address);
	return wasi_result(result < 0 ? result : send(fd, iovs, count, size, &to));
}

/* WasmEdge's addrinfo list, which the guest has allocated: entry -> sockaddr -> 14 bytes of port and address. */
struct edge_addrinfo {
	u16 flags;
	u8 family, socktype;
	u32 protocol, address_length, address, canonical_name, canonical_length, next;
};

struct edge_sockaddr {
	u32 family, length, bytes;
};

#define ADDRINFO_MOST 16u
enum { EDGE_TCP = 1, EDGE_UDP = 2 };

static int store_addrinfo(uaddr entry, struct address address, u32 port, u8 type, uaddr *next)
{
	struct edge_addrinfo info;
	struct edge_sockaddr sockaddr;
	u32 ipv4 = address_to_ipv4(address);
	u8 bytes[6] = {(u8)(port >> 8), (u8)port, (u8)(ipv4 >> 24), (u8)(ipv4 >> 16), (u8)(ipv4 >> 8), (u8)ipv4};
	if (!guest_load(&info, entry, sizeof(info)) || !guest_load(&sockaddr, info.address, sizeof(sockaddr)) ||
	    !guest_store(sockaddr.bytes, bytes, sizeof(bytes)))
		return -E_FAULT;
	sockaddr.family = EDGE_INET4;
	sockaddr.length = sizeof(bytes);
	info.family = EDGE_INET4;
	info.socktype = type;
	info.protocol = type == EDGE_STREAM ? EDGE_TCP : EDGE_UDP;
	info.address_length = sizeof(sockaddr);
	guest_store(info.address, &sockaddr, sizeof(sockaddr));
	guest_store(entry, &info, sizeof(info));
	*next = info.next;
	return 0;
}

static int load_text(char *text, u32 size, uaddr from, u32 length)
{
	if (length >= size)
		return -E_NAMETOOLONG;
	if (!guest_load(text, from, length))
		return -E_FAULT;
	text[length] = 0;
	return 0;
}

static int resolve(const char *node, struct address addresses[ADDRINFO_MOST])
{
	if (!*node) {
		addresses[0] = ADDRESS_ANY;
		return 1;
	}
	if (read_ipv4(node, &addresses[0]))
		return 1;
	return resolve_name(current_process()->pod, node, addresses, ADDRINFO_MOST);
}

WASI_CALL(sock_getaddrinfo,
	  (uaddr node, u32 node_length, uaddr service, u32 service_length, uaddr hints, uaddr results, u32 most,
	   uaddr count),
	  (node, node_length, service, service_length, hints, results, most, count))
{
	struct edge_addrinfo hint = {.socktype = EDGE_STREAM};
	char name[RESOLVE_NAME_SIZE], digits[8];
	struct address addresses[ADDRINFO_MOST];
	u32 port = 0, entry, stored = 0;
	int result = load_text(name, sizeof(name), node, node_length);
	if (result == 0)
		result = load_text(digits, sizeof(digits), service, service_length);
	if (result == 0 && *digits && !read_number(digits, 65535, &port))
		result = -E_INVAL;
	if (result == 0 && (!guest_load(&entry, results, sizeof(entry)) || !user_range_ok(count, sizeof(u32))))
		result = -E_FAULT;
	if (result == 0 && hints && !guest_load(&hint, hints, sizeof(hint)))
		result = -E_FAULT;
	u8 type = hint.socktype == EDGE_DATAGRAM ? EDGE_DATAGRAM : EDGE_STREAM;
	int found = result == 0 ? resolve(name, addresses) : result;
	for (result = MIN(found, 0); result == 0 && stored < MIN((u32)found, most) && entry; stored++) {
		uaddr next = 0;
		result = store_addrinfo(entry, addresses[stored], port, type, &next);
		entry = (u32)next;
	}
	if (result == 0)
		guest_store_u32(count, stored);
	return wasi_result(result);
}
