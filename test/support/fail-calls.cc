// A library for LD_PRELOAD that makes the n-th resource of the addon fail: a descriptor, a mapping, a thread; or its n-th
// allocation. FAIL_CALLS names a file of one `Control`, which the test writes and reads while the process runs. A child
// process that inherits the environment counts in the same file.
#include <bits/functexcept.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include <new>

namespace {

enum Kind { kResources, kAllocations };

struct Control {
  int left;        // how many calls succeed before the one that fails; below 0 none fails
  int error;       // its errno
  int kind;        // which calls are counted
  char failed[52]; // its name, empty while none has failed
};

Control* control = nullptr;

__attribute__((constructor)) void Open() {
  const char* path = getenv("FAIL_CALLS");
  if (path == nullptr) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* mapped = reinterpret_cast<void*>(syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  if (mapped != MAP_FAILED) control = static_cast<Control*>(mapped);
}

// The file name of the object that has this code, empty if there is none. It takes no lock and allocates nothing.
const char* ObjectOf(void* code) {
  dl_find_object found;
  if (_dl_find_object(code, &found) != 0 || found.dlfo_link_map == nullptr) return "";
  return found.dlfo_link_map->l_name;
}

bool InAddon(void* code) { return strstr(ObjectOf(code), "vfio_engine.node") != nullptr; }
bool InRuntime(void* code) {
  const char* object = ObjectOf(code);
  return strstr(object, "libstdc++") != nullptr || strstr(object, "fail-calls.so") != nullptr;
}

_Unwind_Reason_Code FirstOutsideRuntime(_Unwind_Context* context, void* found) {
  auto code = reinterpret_cast<void*>(_Unwind_GetIP(context) - 1);
  if (InRuntime(code)) return _URC_NO_REASON;
  *static_cast<void**>(found) = code;
  return _URC_END_OF_STACK;
}

// Tells whether the addon asked for memory. Most of its templates are compiled into it. A function of libstdc++.so, such
// as one of std::string, allocates for the caller that the stack shows.
bool AddonAllocates(void* caller) {
  if (!InRuntime(caller)) return InAddon(caller);
  void* found = nullptr;
  _Unwind_Backtrace(FirstOutsideRuntime, &found);
  return InAddon(found);
}

bool Armed(Kind kind) {
  return control != nullptr && __atomic_load_n(&control->left, __ATOMIC_SEQ_CST) >= 0 && control->kind == kind;
}

// Counts a call. Tells whether it is the one that fails.
bool Counts(const char* name) {
  if (__atomic_fetch_sub(&control->left, 1, __ATOMIC_SEQ_CST) != 0) return false;
  strncpy(control->failed, name, sizeof(control->failed) - 1);
  errno = control->error;
  return true;
}

bool Fails(const char* name, void* caller) {
  // Node.js starts the threads of our workers.
  return Armed(kResources) && (strcmp(name, "pthread_create") == 0 || InAddon(caller)) && Counts(name);
}

bool FailsToAllocate(const char* name, void* caller) {
  return Armed(kAllocations) && AddonAllocates(caller) && Counts(name);
}

template <class Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int Fcntl(const char* symbol, void* caller, int fd, int command, void* argument) {
  if (command == F_DUPFD_CLOEXEC && Fails("fcntl", caller)) return -1;
  static auto next = Next<int (*)(int, int, ...)>(symbol);
  return next(fd, command, argument);
}

}  // namespace

#define CALLER __builtin_return_address(0)

// The forms for arrays, and those that return null, call these two.
void* operator new(size_t size) {
  if (FailsToAllocate("operator new", CALLER)) std::__throw_bad_alloc();
  static auto next = Next<void* (*)(size_t)>("_Znwm");
  return next(size);
}

void* operator new(size_t size, std::align_val_t alignment) {
  if (FailsToAllocate("operator new", CALLER)) std::__throw_bad_alloc();
  static auto next = Next<void* (*)(size_t, std::align_val_t)>("_ZnwmSt11align_val_t");
  return next(size, alignment);
}

extern "C" {

// CPU_ALLOC, the only malloc that the addon calls.
cpu_set_t* __sched_cpualloc(size_t count) {
  if (FailsToAllocate("malloc", CALLER)) return nullptr;
  static auto next = Next<cpu_set_t* (*)(size_t)>("__sched_cpualloc");
  return next(count);
}

int eventfd(unsigned int count, int flags) {
  if (Fails("eventfd", CALLER)) return -1;
  static auto next = Next<int (*)(unsigned int, int)>("eventfd");
  return next(count, flags);
}

int memfd_create(const char* name, unsigned int flags) {
  if (Fails("memfd_create", CALLER)) return -1;
  static auto next = Next<int (*)(const char*, unsigned int)>("memfd_create");
  return next(name, flags);
}

int ftruncate64(int fd, off64_t size) {
  if (Fails("ftruncate", CALLER)) return -1;
  static auto next = Next<int (*)(int, off64_t)>("ftruncate64");
  return next(fd, size);
}

int ftruncate(int fd, off_t size) {
  if (Fails("ftruncate", CALLER)) return -1;
  static auto next = Next<int (*)(int, off_t)>("ftruncate");
  return next(fd, size);
}

int socketpair(int domain, int type, int protocol, int fds[2]) {
  if (Fails("socketpair", CALLER)) return -1;
  static auto next = Next<int (*)(int, int, int, int*)>("socketpair");
  return next(domain, type, protocol, fds);
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl("fcntl", CALLER, fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return Fcntl("fcntl64", CALLER, fd, command, argument);
}

void* mmap(void* address, size_t length, int rights, int flags, int fd, off_t offset) {
  if (Fails("mmap", CALLER)) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, rights, flags, fd, offset));
}

void* mmap64(void* address, size_t length, int rights, int flags, int fd, off64_t offset) {
  if (Fails("mmap", CALLER)) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, length, rights, flags, fd, offset));
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  if (Fails("pthread_create", CALLER)) return control->error;
  static auto next = Next<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
  return next(thread, attributes, start, argument);
}
}
