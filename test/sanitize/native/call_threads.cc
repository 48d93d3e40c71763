// Call threads: many threads give work of different lengths, and each piece runs once.
#include "common/call_threads.h"

#include "harness.h"

using namespace harness;

uint64_t RunCallThreads(std::chrono::milliseconds time) {
  // Not destroyed: the last call can end after this function.
  static std::atomic<uint64_t> ran{0};
  std::atomic<uint64_t> given{0};
  Crew crew;
  for (int i = 0; i < 4; i++) {
    crew.Add([&given, i] {
      vfio_engine::CallThreads::Get().Run([i] {
        Sleep(i * 50);
        ran.fetch_add(1);
      });
      given.fetch_add(1);
      Sleep(200);
    });
  }
  std::this_thread::sleep_for(time);
  crew.Stop();
  for (int waited = 0; ran.load() != given.load(); waited++) {
    Require(waited < 10000, "each piece of work runs once");
    Sleep(1000);
  }
  return given.load();
}
