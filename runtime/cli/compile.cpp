// compile.cpp: `tenon compile`: the .cu, .ptx and .cubin of each kernel and plan.json in a folder.
#include <cstdio>
#include <filesystem>

#include "codegen/plan_json.h"
#include "ir/diagnostics.h"
#include "passes/quantity.h"
#include "runtime/cache/compiler.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"

namespace tenon::cli {
namespace {

struct Compile {
  ModelOptions options;
  std::string folder;

  void run() {
    BoundModel bound = BoundModel::read(options);
    auto plan = bound.plan_to_show(options);
    print_notes(options, bound.notes);
    std::vector<cuda::CompileRequest> requests;
    std::vector<int> compiled_of(plan->kernels.size(), -1);
    for (size_t i = 0; i < plan->kernels.size(); ++i) {
      const EmittedKernel& emitted = plan->kernels[i].emitted;
      if (emitted.source.empty()) continue;
      compiled_of[i] = static_cast<int>(requests.size());
      requests.push_back({emitted.name + ".cu", emitted.source, plan->target.card.arch, true});
    }
    std::vector<cuda::CompiledKernel> compiled;
    if (!requests.empty()) compiled = cache::kernel_compiler()(requests);

    // Everything is known before the first byte is written.
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) throw Error("cannot make the folder " + folder + ": " + failed.message());
    std::vector<KernelReport> reports(plan->kernels.size());
    for (size_t i = 0; i < plan->kernels.size(); ++i) {
      if (compiled_of[i] < 0) continue;
      const cuda::CompiledKernel& kernel = compiled[compiled_of[i]];
      const std::string base = folder + "/" + plan->kernels[i].emitted.name;
      write_text(base + ".cu", plan->kernels[i].emitted.source);
      write_text(base + ".ptx", kernel.ptx);
      write_text(base + ".cubin", kernel.cubin);
      reports[i] = {kernel.resources.registers, kernel.resources.spill_bytes, {}};
    }
    const std::string json = plan_json(*plan, reports);
    write_text(folder + "/plan.json", json);
    if (!options.json.empty()) return write_text(options.json, json);
    report(*plan, reports, compiled, compiled_of);
  }

  void report(const Plan& plan, llvm::ArrayRef<KernelReport> reports,
              llvm::ArrayRef<cuda::CompiledKernel> compiled, llvm::ArrayRef<int> compiled_of) const {
    if (options.quiet) return;
    std::printf("%s for %s in %s\n",
                tell_count(static_cast<int64_t>(compiled.size()), "kernel", "kernels").c_str(),
                plan.target.card.arch.c_str(), folder.c_str());
    for (size_t i = 0; i < plan.kernels.size(); ++i) {
      const Kernel& kernel = plan.kernels[i];
      if (compiled_of[i] < 0) {
        std::printf("  %-28s %s\n", kernel.site.c_str(), kernel.implementation.c_str());
        continue;
      }
      const cuda::CompiledKernel& result = compiled[compiled_of[i]];
      std::printf("  %-28s %-12s %3d registers, %lld bytes spilled, %6.0f ms%s\n",
                  kernel.emitted.name.c_str(), kernel.family.c_str(), *reports[i].registers,
                  static_cast<long long>(*reports[i].spill_bytes), result.milliseconds,
                  result.from_cache ? " saved by the cache" : "");
    }
  }
};

}  // namespace

void add_compile(CLI::App& program) {
  auto state = std::make_shared<Compile>();
  CLI::App* command =
      program.add_subcommand("compile", "write the .cu, .ptx and .cubin of each kernel and plan.json");
  add_model_options(*command, state->options);
  command->add_option("-o,--output", state->folder, "the folder")->required()->type_name("DIR");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
