// The threads of the addon without Node.js, for ThreadSanitizer. `threads SECONDS` runs each part for a third of the
// time.
#include "harness.h"

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 6;
  const auto part = std::chrono::milliseconds(static_cast<int>(seconds * 1000 / 3));
  const std::pair<const char*, uint64_t (*)(std::chrono::milliseconds)> parts[] = {
      {"lanes", RunLanes}, {"connections", RunConnections}, {"call threads", RunCallThreads}};
  for (const auto& [name, run] : parts) {
    std::printf("%s: %llu operations\n", name, static_cast<unsigned long long>(run(part)));
    std::fflush(stdout);
  }
}
