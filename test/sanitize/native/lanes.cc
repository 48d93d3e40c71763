// Lanes: producers, two I/O workers whose threads end and are replaced, lanes that move between them, regions that are
// closed while operations use them, a mapping that is revoked and restored, and the failing of all lanes at the end.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "harness.h"
#include "lane/io_worker.h"
#include "lane/region_table.h"
#include "memory/memfd.h"

using namespace harness;
using namespace vfio_engine;

namespace {

constexpr size_t kPage = 4096;
constexpr int kLeaveMs = 30000;
constexpr uint32_t kCapacity = 64;
constexpr uint32_t kProducers = 3;
// A producer uses bytes of its own in each region: what the threads share is the engine, not the device.
constexpr uint64_t kOwnBytes = 512;

int MemoryFile(size_t size) {
  const int fd = memfd_create("tsan", MFD_CLOEXEC);
  Require(fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0, "a file can be made");
  return fd;
}

// Opens a region of a page: `mapped`, or trapped.
uint64_t OpenRegion(int fd, bool mapped, std::shared_ptr<Mapping>* mapping = nullptr) {
  std::vector<Area> areas;
  if (mapped) areas.push_back({0, kPage, Mapping::Map(fd, 0, kPage, PROT_READ | PROT_WRITE, nullptr)});
  if (mapping != nullptr) *mapping = areas[0].mapping;
  Target target;
  target.fd = UniqueFd(dup(fd));
  return RegionTable::Get().Add(std::make_unique<IoRegion>(kPage, true, true, std::move(target), std::move(areas)));
}

void CloseRegion(uint64_t handle) { RegionTable::Get().Free(RegionTable::Get().TakeAway(handle), kLeaveMs); }

// What all threads of a run share.
struct Stage {
  int file = MemoryFile(kPage);
  int revoked_file = MemoryFile(kPage);
  std::shared_ptr<Mapping> revoked_mapping;
  const uint64_t mapped = OpenRegion(file, true);
  const uint64_t trapped = OpenRegion(file, false);
  const uint64_t revoked = OpenRegion(revoked_file, true, &revoked_mapping);
  // Closed and opened again all the time.
  std::atomic<uint64_t> passing{OpenRegion(file, true)};
  std::array<std::shared_ptr<IoWorker>, 2> workers{std::make_shared<IoWorker>(), std::make_shared<IoWorker>()};
  std::atomic<uint64_t> operations{0};

  ~Stage() {
    for (const uint64_t region : {mapped, trapped, revoked, passing.load()}) CloseRegion(region);
    close(file);
    close(revoked_file);
  }
};

bool IsStatus(int status) {
  for (const int allowed : {0, -EBADF, -ESTALE, -ETIMEDOUT, -ECANCELED, -EOWNERDEAD, -ENODATA}) {
    if (status == allowed) return true;
  }
  return false;
}

class Producer {
 public:
  Producer(Stage& stage, uint32_t index) : stage_(stage), random_(index + 1), own_(index * kOwnBytes) {
    auto memory = std::make_shared<std::vector<uint8_t>>(kPage);
    buffer_bytes_ = memory->data();
    buffer_ = lane_->reach().AddBuffer(std::make_shared<DmaBuffer>(DmaBuffer{buffer_bytes_, kPage, memory, nullptr}));
    for (const uint64_t region : {stage.mapped, stage.trapped, stage.revoked}) {
      regions_.push_back(lane_->reach().AddRegion(region));
    }
    stage_.workers[0]->AddLane(lane_);
  }

  // Publishes some operations and waits for all of their answers.
  void Turn() {
    LaneHeader& header = *reinterpret_cast<LaneHeader*>(lane_->memory()->data());
    const uint32_t first = header.produced.load(std::memory_order_relaxed);
    const uint32_t count = 1 + random_.Below(kCapacity);
    // A region that another thread is about to close. It is taken from the lane while operations still name it.
    const uint32_t passing = lane_->reach().AddRegion(stage_.passing.load());
    regions_.push_back(passing);
    for (uint32_t i = 0; i < count; i++) *SlotAt(first + i) = NewSlot(i);
    header.produced.store(first + count, std::memory_order_seq_cst);
    for (const auto& worker : stage_.workers) {
      auto& control = *reinterpret_cast<WorkerControl*>(worker->memory()->data());
      if (control.sleeping.load(std::memory_order_seq_cst) != 0) worker->Wake();
    }
    if (random_.Below(8) == 0) Cancel(first + random_.Below(count));
    regions_.pop_back();
    lane_->reach().RemoveRegion(passing);
    Await(first + count);
    for (uint32_t i = 0; i < count; i++) Require(IsStatus(SlotAt(first + i)->status), "an answer is a status");
    stage_.operations.fetch_add(count, std::memory_order_relaxed);
  }

  // Gives the lane to the other worker.
  void Move() {
    std::lock_guard<std::mutex> lock(moving_);
    stage_.workers[at_]->RemoveLane(lane_);
    at_ = 1 - at_;
    stage_.workers[at_]->AddLane(lane_);
  }
  void Leave() { stage_.workers[at_]->RemoveLane(lane_); }

 private:
  Slot* SlotAt(uint32_t index) {
    return reinterpret_cast<Slot*>(lane_->memory()->data() + sizeof(LaneHeader)) + index % kCapacity;
  }
  Slot NewSlot(uint32_t index) {
    static constexpr Op kOps[] = {Op::kRead,    Op::kWrite,  Op::kModify,  Op::kPoll,
                                  Op::kCopyOut, Op::kCopyIn, Op::kBarrier, Op::kProgram};
    Slot slot{};
    slot.op = static_cast<uint8_t>(kOps[random_.Below(std::size(kOps))]);
    slot.width = 4;
    slot.region = regions_[random_.Below(static_cast<uint32_t>(regions_.size()))];
    slot.offset = own_ + 4 * random_.Below(64);
    slot.buffer = static_cast<uint32_t>(buffer_);
    slot.buffer_high = static_cast<uint32_t>(buffer_ >> 32);
    slot.length = 256;
    slot.value = index;
    if (static_cast<Op>(slot.op) == Op::kProgram) {
      Slot step = slot;
      step.op = static_cast<uint8_t>(Op::kWrite);
      std::memcpy(buffer_bytes_ + 2048, &step, sizeof(step));
      slot.buffer_offset = 2048;
      slot.length = sizeof(Slot);
      slot.value = 0;
    }
    return slot;
  }
  void Cancel(uint32_t index) { __atomic_store_n(&SlotAt(index)->cancelled, 1, __ATOMIC_RELAXED); }
  void Await(uint32_t produced) {
    const LaneHeader& header = *reinterpret_cast<LaneHeader*>(lane_->memory()->data());
    for (int waited = 0;; waited++) {
      const uint32_t seen = header.completed.load(std::memory_order_acquire);
      if (seen == produced) return;
      if (random_.Below(2) == 0 || !lane_->SpinForCompletion(seen, 100)) lane_->WaitForCompletion(seen, 1000);
      Require(waited < 60000, "every operation is answered");
    }
  }

  Stage& stage_;
  Random random_;
  const uint64_t own_;
  uint8_t* buffer_bytes_;
  uint64_t buffer_;
  // The numbers that the lane has for them.
  std::vector<uint32_t> regions_;
  std::shared_ptr<Lane> lane_ = std::make_shared<Lane>(kCapacity);
  std::mutex moving_;
  size_t at_ = 0;
};

}  // namespace

uint64_t RunLanes(std::chrono::milliseconds time) {
  Stage stage;
  std::vector<std::unique_ptr<Producer>> producers;
  for (uint32_t i = 0; i < kProducers; i++) producers.push_back(std::make_unique<Producer>(stage, i));
  Crew workers;
  for (const auto& worker : stage.workers) {
    // A thread that ends without being stopped is a dead one: the next thread finds what it left.
    workers.Add([worker] {
      std::thread([&worker] { worker->Serve(5, 20); }).join();
      worker->Recover();
    });
  }
  Crew crew;
  for (const auto& producer : producers) {
    crew.Add([&producer] { producer->Turn(); });
    crew.Add([&producer, random = Random(5)]() mutable {
      producer->Move();
      Sleep(static_cast<int>(random.Below(2000)));
    });
  }
  crew.Add([&stage] {
    const uint64_t old = stage.passing.exchange(OpenRegion(stage.file, true));
    CloseRegion(old);
    Sleep(300);
  });
  crew.Add([&stage] {
    Require(ftruncate(stage.revoked_file, 0) == 0, "a file can be cut");
    Sleep(500);
    Require(ftruncate(stage.revoked_file, kPage) == 0, "a file can be grown");
    stage.revoked_mapping->Restore(stage.revoked_file, 0);
    Sleep(500);
  });
  std::this_thread::sleep_for(time);
  crew.Stop();
  for (const auto& worker : stage.workers) worker->Stop();
  workers.Stop();
  for (const auto& worker : stage.workers) worker->Fail();
  for (const auto& producer : producers) {
    producer->Turn();
    producer->Leave();
  }
  return stage.operations.load();
}
