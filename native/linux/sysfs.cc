// Small files of /sys, read on the calling thread: the kernel makes them from its memory without blocking, and the
// functions of Node.js cost ten times what the kernel does.
#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>

#include "linux/call.h"

namespace vfio_engine {
namespace {

// Files of /sys are at most a page long, except for some lists of many entries.
constexpr size_t kLongest = 1 << 20;

// (path) => whether the file exists.
Napi::Value SysfsExists(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), access(ArgString(info, 0).c_str(), F_OK) == 0);
}

// (path) => the target of a link.
Napi::Value SysfsReadlink(const Napi::CallbackInfo& info) {
  char target[PATH_MAX];
  auto length = static_cast<int>(readlink(ArgString(info, 0).c_str(), target, sizeof(target)));
  return Napi::String::New(info.Env(), target, static_cast<size_t>(Check(length, "readlink")));
}

// (path) => the names in a folder.
Napi::Value SysfsReaddir(const Napi::CallbackInfo& info) {
  DIR* opened = opendir(ArgString(info, 0).c_str());
  Check(opened == nullptr ? -1 : 0, "opendir");
  std::unique_ptr<DIR, int (*)(DIR*)> folder(opened, closedir);
  Napi::Array names = Napi::Array::New(info.Env());
  uint32_t count = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) {
      Check(errno == 0 ? 0 : -1, "readdir");
      return names;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.Set(count++, Napi::String::New(info.Env(), name));
  }
}

// (path) => the file's bytes.
Napi::Value SysfsRead(const Napi::CallbackInfo& info) {
  UniqueFd file(Check(open(ArgString(info, 0).c_str(), O_RDONLY | O_CLOEXEC), "open"));
  std::vector<uint8_t> bytes;
  uint8_t room[4096];
  for (;;) {
    auto count = static_cast<size_t>(Check(static_cast<int>(read(file.get(), room, sizeof(room))), "read"));
    if (count == 0) return ToUint8Array(info.Env(), bytes);
    bytes.insert(bytes.end(), room, room + count);
    if (bytes.size() > kLongest) throw SysError(EFBIG, "read");
  }
}

}  // namespace

void RegisterSysfs(Napi::Env env, Napi::Object exports) {
  Export<SysfsExists>(env, exports, "sysfsExists");
  Export<SysfsReaddir>(env, exports, "sysfsReaddir");
  Export<SysfsReadlink>(env, exports, "sysfsReadlink");
  Export<SysfsRead>(env, exports, "sysfsRead");
}

}  // namespace vfio_engine
