// record_golden FOLDER TARGET [GROUP..]: runs the micro-kernels of FOLDER on this machine's GPU and writes what it gave, and which card it was, to
// TARGET.
#include <cstdio>
#include <ctime>
#include <fstream>

#include "ir/diagnostics.h"
#include "runtime/cuda/gpu_context.h"
#include "runtime/cuda/machine.h"
#include "tests/golden_corpus/corpus.h"

namespace tenon::corpus {
namespace {

void record(const std::string& folder, const std::string& target, const std::vector<std::string>& groups) {
  const cuda::Machine machine = cuda::describe_machine();
  if (!machine.api || machine.gpus.empty())
    throw Error(machine.driver_problem, {}, "", Status::kMachineCannot);
  const cuda::DriverApi& api = *machine.api;
  const cuda::PrimaryContext context(api, 0);
  const cuda::ContextScope scope(context);
  for (const std::string& name : groups.empty() ? group_names() : groups) {
    const Group group = read_group(folder, name);
    const Outputs outputs = run_group(api, group);
    write_outputs(target, group, outputs);
    std::printf("%-12s %zu kernels\n", name.c_str(), group.cases.size());
  }
  const std::time_t now = std::time(nullptr);
  char date[16];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  std::ofstream(target + "/recorded.json")
      << "{\"card\": \"" << machine.gpus[0].name << "\", \"driver\": " << api.version << ", \"date\": \""
      << date << "\", \"command\": \"tests/gpu.sh --record\"}\n";
}

}  // namespace
}  // namespace tenon::corpus

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: record_golden FOLDER TARGET [GROUP..]\n");
    return 2;
  }
  try {
    tenon::corpus::record(words[1], words[2], {words + 3, words + count});
  } catch (const tenon::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.status());
  }
}
