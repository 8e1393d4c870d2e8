// compile_speed.cpp: how long the compiler itself takes, without NVRTC: reading, building, lowering a GPT of
// 96 and of 192 layers. Prints milliseconds on one core (the best of five runs) and the peak of memory; exits
// 1 beyond the bounds that the README states.
#include <malloc.h>
#include <sys/resource.h>

#include <cstdio>
#include <ctime>

#include "codegen/lower.h"
#include "ir/model.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace tenon;

namespace {

struct Times {
  double read = 1e30, build = 1e30, lower = 1e30;
  size_t kernels = 0, steps = 0;
  double total() const { return read + build + lower; }
};

// Processor time: what other programs on the machine do does not count.
double milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

Times measure(const std::string& text) {
  auto source = std::make_shared<const SourceFile>(SourceFile{"gpt-175b.toml", text});
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  Times best;
  for (int run = 0; run < 5; ++run) {
    double start = milliseconds();
    Model model = Model::parse(source);
    best.read = std::min(best.read, milliseconds() - start);
    start = milliseconds();
    auto graph = model.build(model.bind({{"T", 2048}}, {}));
    best.build = std::min(best.build, milliseconds() - start);
    start = milliseconds();
    auto plan = lower(std::move(graph), options);
    best.lower = std::min(best.lower, milliseconds() - start);
    best.kernels = plan->kernels.size();
    best.steps = plan->steps.size();
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  mallopt(M_TRIM_THRESHOLD,
          1 << 30);  // keep memory between runs: the best run is the compiler's, not the kernel's page faults
  constexpr double kMaxMilliseconds = 100, kMaxGrowth = 2.2, kMaxMegabytes = 200;
  std::string path = argc > 1 ? argv[1] : "examples/models/gpt-175b.toml";
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) return std::fprintf(stderr, "cannot read %s\n", path.c_str()), 2;
  std::string text = (*buffer)->getBuffer().str(), doubled = text;
  doubled.replace(doubled.find("L = 96"), 6, "L = 192");
  Times once = measure(text), twice = measure(doubled);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  double megabytes = static_cast<double>(usage.ru_maxrss) / 1024;
  std::printf("layers  read ms  build ms  lower ms  total ms  kernels  launches\n");
  for (auto [layers, times] : {std::pair(96, once), std::pair(192, twice)})
    std::printf("%6d %8.1f %9.1f %9.1f %9.1f %8zu %9zu\n", layers, times.read, times.build, times.lower,
                times.total(), times.kernels, times.steps);
  std::printf("growth %.2f (bound %.1f), 96 layers %.1f ms (bound %.0f), peak memory %.0f MB (bound %.0f)\n",
              twice.total() / once.total(), kMaxGrowth, once.total(), kMaxMilliseconds, megabytes,
              kMaxMegabytes);
  return once.total() > kMaxMilliseconds || twice.total() > kMaxGrowth * once.total() ||
         megabytes > kMaxMegabytes;
}
