// Fuzzes lanes: forged slots and programs, over regions that are mapped, trapped, both, behind a pipe, and closed. Each
// run is compared with lane_model.cc: every status, every value, and every byte of the regions, of the buffers and
// around them.
//
// An input is two bytes, the counts of slots and of steps of the program, and 24 bytes for each of them.
#include "lane/lane.h"

#include <cerrno>

#include "input.h"
#include "lane/execute.h"
#include "lane_world.h"

namespace fuzz {
namespace {

using namespace vfio_engine;

constexpr uint32_t kCapacity = 16;
constexpr uint32_t kMaxSteps = Buffer::kBytes / sizeof(Slot);
constexpr int kMaxErrno = 4095;

// What is forged of a slot beyond its fields.
enum Flag : uint8_t {
  kLate = 1,
  kWaits = 2,
  kCancelled = 4,
  // Offset and length count backwards from the largest.
  kFarOffset = 8,
  kFarLength = 16,
  kWideMask = 32,
};

World& TheWorld() {
  static auto* world = new World();
  return *world;
}

uint32_t RegionOf(uint8_t byte) {
  World& world = TheWorld();
  const size_t known = world.model.regions.size();
  const size_t choice = byte % (known + 3);
  if (choice < known) return world.model.regions[choice].number;
  return choice == known ? world.model.closed_region : byte * 0x01010101u;
}

uint64_t BufferOf(uint8_t byte, bool of_program) {
  World& world = TheWorld();
  // A step that copies over its own program is not repeatable: a copy that is cut into slices reads its slot again.
  if (byte % 8 == 7) return byte * 0x0001000100010001u;
  return world.buffers[of_program || byte % 2 == 1 ? 1 : 0].number;
}

void SetBuffer(Slot& slot, uint64_t number) {
  slot.buffer = static_cast<uint32_t>(number);
  slot.buffer_high = static_cast<uint32_t>(number >> 32);
}

Slot TakeSlot(Input& input, bool of_program) {
  static constexpr uint8_t kWidths[] = {1, 2, 4, 8, 4, 0, 3, 255};
  Slot slot{};
  slot.op = input.U8() % 12;
  slot.width = kWidths[input.U8() % 8];
  slot.region = RegionOf(input.U8());
  SetBuffer(slot, BufferOf(input.U8(), of_program));
  const uint8_t flags = input.U8();
  const uint8_t spare = input.U8();
  slot.offset = input.U16();
  slot.length = input.U16();
  slot.buffer_offset = input.U16();
  slot.value = input.U32();
  slot.mask = input.U32();
  if (static_cast<Op>(slot.op) == Op::kProgram && !of_program) {
    SetBuffer(slot, TheWorld().buffers[0].number);
    slot.length = spare % 2 == 0 ? (spare / 8u) * sizeof(Slot) : slot.length;
    slot.value %= 64;
  }
  if ((flags & kFarOffset) != 0) slot.offset = ~uint64_t{0} - slot.offset;
  if ((flags & kFarLength) != 0) slot.length = ~uint32_t{0} - slot.length;
  if ((flags & kWideMask) != 0) slot.mask |= slot.mask << 32;
  slot.deadline_us = (flags & kLate) != 0 ? 1 : (flags & kWaits) != 0 ? kNever : 0;
  slot.cancelled = (flags & kCancelled) != 0 ? 1 : 0;
  return slot;
}

LaneHeader& HeaderOf(Lane& lane) { return *reinterpret_cast<LaneHeader*>(lane.memory()->data()); }
Slot* SlotsOf(Lane& lane) { return reinterpret_cast<Slot*>(lane.memory()->data() + sizeof(LaneHeader)); }

// Serves until all is answered. What waits for ever is cancelled, as its producer would, once all that comes before it
// is done.
void ServeAll(Lane& lane, uint32_t quota, const std::vector<int>& statuses) {
  constexpr int kMostTurns = 10000;
  LaneHeader& header = HeaderOf(lane);
  for (int idle = 0; header.completed.load() != header.produced.load();) {
    const uint32_t before = header.completed.load();
    bool busy = false;
    const bool progress = lane.Serve(quota, &busy);
    const uint32_t now = header.completed.load();
    Require(now - before <= quota, "a turn keeps its quota");
    Require(progress == (now != before), "Serve tells whether it made progress");
    Require(progress || busy, "a published operation is served");
    idle = progress ? 0 : idle + 1;
    Require(idle < kMostTurns, "an operation ends");
    if (idle < 2 || now == header.produced.load()) continue;
    const bool waits = statuses[now] == Model::kWaits || TheWorld().model.unknown;
    if (waits && (TheWorld().Matches() || idle > kMostTurns / 2)) SlotsOf(lane)[now].cancelled = 1;
  }
}

void CompareSlot(const Slot& served, const Slot& expected, int status) {
  if (status == Model::kWaits) status = -ECANCELED;
  if (served.status != status) {
    std::fprintf(stderr, "operation %u: status %d, the model's is %d\n", expected.op, served.status, status);
  }
  Require(served.status == status, "the status is the model's");
  const bool program = static_cast<Op>(expected.op) == Op::kProgram;
  Require(program || served.value == expected.value, "the value is the model's");
  Require(served.offset == expected.offset && served.mask == expected.mask && served.region == expected.region,
          "an answer changes value and status alone");
}

// A producer that breaks the layout loses its own operations and nothing else.
void Forge(Lane& lane, Input& input) {
  LaneHeader& header = HeaderOf(lane);
  const uint32_t before = header.completed.load();
  header.produced.store(before + input.U32());
  header.claimed.store(before + input.U32() % 4);
  header.capacity = input.U32();
  bool busy = false;
  lane.Serve(4, &busy);
  Require(header.completed.load() - before <= 4, "a forged index does not pass the quota");
  lane.Recover();
  lane.Fail();
  Require(header.completed.load() - before <= 5 + kCapacity, "at most one ring of slots fails");
}

void Run(Input input) {
  World& world = TheWorld();
  const uint8_t counts = input.U8();
  const uint32_t slots = 1 + counts % kCapacity;
  const uint8_t shape = input.U8();
  const uint32_t steps = shape % (kMaxSteps + 1);
  world.Reset(shape);
  Lane lane(kCapacity);
  world.GiveTo(lane.reach());
  std::vector<Slot> expected;
  for (uint32_t i = 0; i < slots; i++) expected.push_back(SlotsOf(lane)[i] = TakeSlot(input, false));
  for (uint32_t i = 0; i < steps; i++) {
    const Slot step = TakeSlot(input, true);
    std::memcpy(world.buffers[0].data() + i * sizeof(Slot), &step, sizeof(step));
    std::memcpy(&world.model.buffers[0].bytes[i * sizeof(Slot)], &step, sizeof(step));
  }
  HeaderOf(lane).produced.store(slots);
  std::vector<int> statuses;
  world.model.unknown = false;
  for (Slot& slot : expected) statuses.push_back(world.model.Run(slot));
  ServeAll(lane, 1 + shape / 16u, statuses);
  for (uint32_t i = 0; i < slots; i++) {
    const int32_t status = SlotsOf(lane)[i].status;
    Require(status <= 0 && status >= -kMaxErrno, "an answer is a status");
    if (!world.model.unknown) CompareSlot(SlotsOf(lane)[i], expected[i], statuses[i]);
  }
  Require(world.model.unknown || world.Matches(), "regions and buffers hold what was written");
  world.RequireCanaries();
  if (input.left() == 0) return;
  Forge(lane, input);
  world.RequireCanaries();
}

}  // namespace
}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Run(fuzz::Input(data, size));
  return 0;
}
