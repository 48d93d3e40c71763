#include "lane_world.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "input.h"
#include "lane/region_table.h"

namespace fuzz {

using namespace vfio_engine;

namespace {

constexpr uint8_t kCanary = 0xE7;
constexpr size_t kPage = 4096;
constexpr int kLeaveMs = 30000;

void RequireCanary(const uint8_t* begin, const uint8_t* end, const char* what) {
  static const std::vector<uint8_t> canary(kPage, kCanary);
  Require(std::memcmp(begin, canary.data(), static_cast<size_t>(end - begin)) == 0, what);
}

// Tells whether a file that became longer ends with the bytes from `from` on.
bool EndsWith(int file, const std::vector<uint8_t>& known, size_t from) {
  std::vector<uint8_t> bytes(known.size() - from + 1);
  const ssize_t got = pread(file, bytes.data(), bytes.size(), static_cast<off_t>(from));
  return got == static_cast<ssize_t>(bytes.size() - 1) &&
         std::memcmp(bytes.data(), &known[from], bytes.size() - 1) == 0;
}

}  // namespace

Backing::Backing(size_t file_size) : file(memfd_create("fuzz", MFD_CLOEXEC)), size(file_size) {
  Require(ftruncate(file.get(), static_cast<off_t>(size)) == 0, "a file can be made");
  bytes = static_cast<uint8_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  Require(bytes != MAP_FAILED, "a file can be mapped");
}

Buffer::Buffer() : memory(kBytes + 2 * kMargin, kCanary) {
  Require(reinterpret_cast<uintptr_t>(data()) % alignof(Slot) == 0, "a buffer is aligned");
}

World::World() : buffers(2) {
  Add(kPage, kPage, true, true, {{0, kPage}});
  // Trapped, mapped, trapped, and longer than its file.
  Add(3 * kPage, 3 * kPage + 512, true, true, {{kPage, kPage}});
  // A part of a page.
  Add(kPage, 2048, true, false, {{0, 2048}});
  Add(kPage, 1000, false, true, {});
  AddPipe();
  handles_.push_back(RegionTable::Get().Add(std::make_unique<IoRegion>(64, true, true, Target{}, std::vector<Area>{})));
  RegionTable::Get().Free(RegionTable::Get().TakeAway(handles_.back()), kLeaveMs);
  for (Buffer& buffer : buffers) {
    buffer.shared = std::make_shared<DmaBuffer>(DmaBuffer{buffer.data(), Buffer::kBytes, nullptr, nullptr});
    model.buffers.push_back({0, std::vector<uint8_t>(Buffer::kBytes)});
  }
}

void World::Add(size_t file_size, uint64_t size, bool readable, bool writable, std::vector<AreaAt> areas) {
  const Backing& backing = backings_.emplace_back(file_size);
  const int fd = backing.file.get();
  std::vector<Area> mapped;
  for (const AreaAt& area : areas) {
    auto offset = static_cast<off_t>(area.offset);
    mapped.push_back({area.offset, area.size, Mapping::Map(fd, offset, kPage, PROT_READ | PROT_WRITE, nullptr)});
  }
  Target target;
  target.fd = UniqueFd(dup(fd));
  auto region = std::make_unique<IoRegion>(size, readable, writable, std::move(target), std::move(mapped));
  const size_t known = std::min<uint64_t>(size, file_size);
  handles_.push_back(RegionTable::Get().Add(std::move(region)));
  model.regions.push_back({0, size, readable, writable, 0, std::vector<uint8_t>(known)});
}

// A pipe has no offsets: every transfer fails with ESPIPE.
void World::AddPipe() {
  int ends[2];
  Require(pipe(ends) == 0, "a pipe can be made");
  Target target;
  target.fd = UniqueFd(ends[1]);
  auto region = std::make_unique<IoRegion>(256, true, true, std::move(target), std::vector<Area>{});
  handles_.push_back(RegionTable::Get().Add(std::move(region)));
  model.regions.push_back({0, 256, true, true, -ESPIPE, {}});
}

void World::GiveTo(Reach& reach) {
  for (size_t i = 0; i < model.regions.size(); i++) model.regions[i].number = reach.AddRegion(handles_[i]);
  model.closed_region = reach.AddRegion(handles_.back());
  for (size_t i = 0; i < buffers.size(); i++) {
    buffers[i].number = reach.AddBuffer(buffers[i].shared);
    model.buffers[i].number = buffers[i].number;
  }
}

// Few values, so that a poll can find what it waits for. All ones stand for a device that is gone.
void World::Reset(uint8_t seed) {
  constexpr size_t kStride = 256;
  for (size_t i = 0; i < backings_.size(); i++) {
    std::vector<uint8_t>& known = model.regions[i].bytes;
    if (known.size() > backings_[i].size) {
      known.resize(backings_[i].size);
      Require(ftruncate(backings_[i].file.get(), static_cast<off_t>(known.size())) == 0, "a file can be cut");
    }
    std::memset(known.data(), seed, known.size());
    for (size_t at = 0; at + 8 <= known.size(); at += kStride) std::memset(&known[at], 0xFF, 8);
    std::memcpy(backings_[i].bytes, known.data(), known.size());
    std::memset(backings_[i].bytes + known.size(), kCanary, backings_[i].size - known.size());
  }
  for (size_t i = 0; i < buffers.size(); i++) {
    std::memset(model.buffers[i].bytes.data(), seed, Buffer::kBytes);
    std::memset(buffers[i].data(), seed, Buffer::kBytes);
  }
}

bool World::Matches() {
  for (size_t i = 0; i < backings_.size(); i++) {
    const std::vector<uint8_t>& known = model.regions[i].bytes;
    const size_t mapped = std::min(known.size(), backings_[i].size);
    if (std::memcmp(backings_[i].bytes, known.data(), mapped) != 0) return false;
    if (mapped < known.size() && !EndsWith(backings_[i].file.get(), known, mapped)) return false;
  }
  for (size_t i = 0; i < buffers.size(); i++) {
    if (std::memcmp(buffers[i].data(), model.buffers[i].bytes.data(), Buffer::kBytes) != 0) return false;
  }
  return true;
}

void World::RequireCanaries() {
  for (size_t i = 0; i < backings_.size(); i++) {
    const size_t known = std::min(model.regions[i].bytes.size(), backings_[i].size);
    RequireCanary(backings_[i].bytes + known, backings_[i].bytes + backings_[i].size,
                  "nothing is written behind a region");
  }
  for (Buffer& buffer : buffers) {
    uint8_t* begin = buffer.memory.data();
    RequireCanary(begin, buffer.data(), "nothing is written in front of a buffer");
    RequireCanary(buffer.data() + Buffer::kBytes, begin + buffer.memory.size(), "nothing is written behind a buffer");
  }
}

}  // namespace fuzz
